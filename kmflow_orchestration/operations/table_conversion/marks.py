"""What a table says of the conversion that made it, as properties that come with its rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self
from urllib.parse import quote, unquote

from kmflow_orchestration.names import literal
from kmflow_orchestration.operations.convert.options import ConversionOptions

_PREFIX = "kmflow.convert."
# Characters of one property that every catalog takes.
_LONGEST = 4000


@dataclass(frozen=True, slots=True)
class Mark:
    """`key` is of source, options, converter and content; `run` of the one call that wrote it.

    `options` are those that are not the usual ones, as JSON: '' of tables from before they were
    kept, and of options too long for a property.
    """

    source: str
    source_sha256: str
    part: str
    key: str
    run: str
    options: str = ""

    @classmethod
    def made_by(cls, manifest: Mapping[str, Any], output: Mapping[str, Any], run: str) -> Self:
        """The mark of one output of a conversion, both as its manifest tells of them."""
        columns = [(one["name"], one["type"], one["fingerprint"]) for one in output["columns"]]
        told = [
            *(manifest["source_sha256"], manifest["options"]),
            *(manifest["converter"], manifest["converter_version"]),
            *(output["part"], output["rows"], columns, output["receipt"]),
        ]
        text = json.dumps(told, sort_keys=True, default=str)
        key = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        source, part = manifest["source_path"], output["part"]
        options = _unusual(manifest["options"] or {})
        return cls(source, manifest["source_sha256"], part, key, run, options)

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> Self | None:
        """The mark of a table; None of one that no conversion made."""
        found = {one.name: properties.get(_PREFIX + one.name) for one in fields(cls)}
        told = {name: unquote(text) for name, text in found.items() if text is not None}
        told.setdefault("options", "")
        if len(told) < len(found) or not told["key"]:
            return None
        return cls(**told)

    @property
    def sql(self) -> str:
        """The list of properties, for a statement."""
        return _listed(asdict(self))

    def is_same(self, other: Mark) -> bool:
        """Whether another call would write the same."""
        return self.key == other.key

    def is_of_source(self, other: Mark, *, by_place: bool) -> bool:
        """Whether both are of the same part of the same bytes, or `by_place` of the same file."""
        is_same = (self.source_sha256, self.part) == (other.source_sha256, other.part)
        return is_same or (by_place and self.source == other.source)


def no_mark_sql() -> str:
    """The list of properties of a table that no conversion made."""
    return _listed({one.name: "" for one in fields(Mark)})


def verified_sql(at: str, differences: int) -> str:
    """The list of one property: what came out when a table was compared with its source."""
    told = {"at": at, "is_equal": not differences, "differences": differences}
    return _listed({"verified": json.dumps(told)})


def _unusual(options: Mapping[str, Any]) -> str:
    usual = json.loads(json.dumps(ConversionOptions().recorded, default=str))
    given = json.loads(json.dumps(options, default=str))
    own = {name: value for name, value in given.items() if usual.get(name) != value}
    text = json.dumps(own, sort_keys=True)
    return text if len(_quoted(text)) <= _LONGEST else ""


def _quoted(text: str) -> str:
    # Only what stands for itself in a statement, whatever reads it.
    return quote(text, safe="/ ", errors="surrogateescape")


def _listed(told: Mapping[str, str]) -> str:
    pairs = ((name, _quoted(text)) for name, text in told.items())
    return ", ".join(f"{literal(_PREFIX + name)} = {literal(text)}" for name, text in pairs)
