"""What a conversion leaves beside its result: source, options, receipts, fingerprints (row H4)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from kmflow_orchestration.converters.interface import ROWS_DIFFER, ConversionWarning
from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration.operations.convert.layout import (
    FOLDER_MANIFEST,
    is_manifest_name,
    manifest_name,
)

NO_ROWS = "no_rows"
_VERSION = 1
# Of a picture or recording that breaks off, there is what came before.
_MISSING_PARTS = frozenset({NO_ROWS, "truncated", ROWS_DIFFER})
# What these leave out holds no value.
_EMPTY_SKIPS = frozenset({"sheet_skipped", "blank_rows"})


@dataclass(frozen=True, slots=True)
class ColumnRecord:
    """One column of an output; `type` is Arrow's, `fingerprint` of the values in their order."""

    name: str
    source_name: str
    type: str
    nulls: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One file of a result. `receipt` has the counts of the reader, for tables.

    `rejects` is the file with rows that do not fit, `misfits` how many of them do not fit the
    schema and would otherwise be in here. Of `rejects` older manifests have the name alone.
    """

    file: str
    file_format: str
    part: str
    rows: int
    size_bytes: int
    sha256: str
    columns: tuple[ColumnRecord, ...] = ()
    receipt: Mapping[str, Any] = field(default_factory=dict)
    is_document: bool = False
    rejects: str = ""
    misfits: int = 0
    rejects_size_bytes: int = 0
    rejects_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is known of one conversion.

    When it is repeated only `converted_at` differs, and what had drifted from a `schema_lock` that
    was then moved.

    `source_path` leads from the manifest's folder to the source. `left_out` are parts that were
    not asked for. `parent_sha256` is the hash of the file that the source was taken out of.
    """

    source_name: str
    source_path: str
    source_sha256: str
    source_size_bytes: int
    converter: str
    converter_version: str
    options: Mapping[str, Any]
    converted_at: str
    outputs: tuple[OutputRecord, ...]
    left_out: tuple[str, ...] = ()
    warnings: tuple[ConversionWarning, ...] = ()
    verified: Mapping[str, Any] | None = None
    parent_sha256: str = ""
    schema_lock: Mapping[str, Any] | None = None

    @staticmethod
    def tells_of_loss(warning: ConversionWarning) -> bool:
        """Whether something of the source could not be read, or is not there."""
        is_skipped = warning.code.endswith("_skipped") and warning.code not in _EMPTY_SKIPS
        return is_skipped or warning.code in _MISSING_PARTS

    @property
    def version(self) -> int:
        """Which one of its schema lock's it is of."""
        return int((self.schema_lock or {}).get("version", 1))

    @property
    def drift(self) -> tuple[str, ...]:
        """How the source differed from its schema lock."""
        return tuple(one["text"] for one in (self.schema_lock or {}).get("drift", ()))

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(one.rows for one in self.outputs if not one.is_document)

    @property
    def missed(self) -> tuple[str, ...]:
        """What of the source is not in the result, and that nobody asked to leave out (D19)."""
        found = [
            f"{one.file}: {one.receipt['rows_rejected']} rows were rejected"
            + (f", see {one.rejects}" if one.rejects else "")
            for one in self.outputs
            if one.receipt.get("rows_rejected")
        ]
        found += [
            f"{warning.location or self.source_name}: {warning.message}"
            for warning in self.warnings
            if self.tells_of_loss(warning)
        ]
        return tuple(found)

    @property
    def rejects(self) -> tuple[str, ...]:
        """Names of the files with rows that were set aside."""
        return tuple(sorted({one.rejects for one in self.outputs} - {""}))

    def is_of(self, source: Path, folder: Path, recorded: str = "") -> bool:
        """Whether it speaks of a result of this very source, as it lies in `folder`.

        `recorded` is where the source lies, if this is only a copy of it.
        """
        if recorded:
            return self.source_path == recorded
        return (folder / self.source_path).resolve() == source.resolve()

    def as_text(self) -> str:
        value = {"manifest": _VERSION, **asdict(self)}
        return json.dumps(value, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises OSError, and CorruptInput for a file that is no manifest of ours."""
        return cls.of_text(path.read_bytes(), str(path))

    @classmethod
    def of_text(cls, content: bytes, named: str) -> Self:
        """A manifest by its bytes; `named` is how a complaint calls it. Raises CorruptInput."""
        try:
            value = json.loads(content.decode("utf-8"))
            _check_version(value.pop("manifest"))
            outputs = tuple(
                OutputRecord(
                    **{**one, "columns": tuple(ColumnRecord(**column) for column in one["columns"])}
                )
                for one in value.pop("outputs")
            )
            warnings = tuple(ConversionWarning(**one) for one in value.pop("warnings"))
            left_out = tuple(value.pop("left_out"))
            return cls(**value, outputs=outputs, warnings=warnings, left_out=left_out)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptInput(f"{named} is no manifest of a conversion: {error}") from error


def _check_version(found: object) -> None:
    if found != _VERSION:
        raise ValueError(f"version {found} of manifests is not known")


def find_manifest(output: Path) -> Path | None:
    """The manifest that speaks for a folder or a file of results, or is one; None without."""
    if output.is_file() and is_manifest_name(output.name):
        return output
    if output.is_dir():
        found = output / FOLDER_MANIFEST
        return found if found.is_file() else None
    for candidate in (output.parent / manifest_name(output.name), output.parent / FOLDER_MANIFEST):
        if candidate.is_file():
            return candidate
    # The blocks of a document stand in the manifest of its text.
    for candidate in sorted(output.parent.glob(manifest_name(f"{output.stem}.*"))):
        return candidate
    return None


def manifests_below(folder: Path) -> Iterator[Path]:
    """Every manifest in a folder and the folders in it, by path; links are not followed."""
    for within, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(within, name) for name in sorted(names) if is_manifest_name(name))
