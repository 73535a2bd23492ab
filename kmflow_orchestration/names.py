"""Names of groups, tables, Volumes and columns: parsing, quoting, literals.

The only module that quotes an identifier or writes a value into SQL text. Everything is total:
a name is either returned in its one canonical form or refused with a reason.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NewType

from kmflow_orchestration.errors import (
    ConfigurationError,
    InvalidSettings,
    MissingGroup,
    UnsafePath,
)

GroupId = NewType("GroupId", str)
EngagementId = NewType("EngagementId", str)
TableGroupId = NewType("TableGroupId", str)

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,255}")
ID_RULE = "1 to 63 of a-z, 0-9, '_' and '-', the first a letter or digit"


def is_id(text: str) -> bool:
    """Whether a text may be the id of a group, an engagement or a table group (design AD6)."""
    return _ID.fullmatch(text) is not None


def group_id(text: str | None) -> GroupId:
    """A group id, checked.

    Raises:
        MissingGroup: None, empty or blank.
        InvalidSettings: not of the form of an id.
    """
    if text is None or not text.strip():
        raise MissingGroup("a group id is required", hint="pass the id of the group")
    return GroupId(_checked_id(text, "group"))


def engagement_id(text: str) -> EngagementId:
    """An engagement id, checked. Raises InvalidSettings."""
    return EngagementId(_checked_id(text, "engagement"))


def table_group_id(text: str) -> TableGroupId:
    """A table group id, checked. Raises InvalidSettings."""
    return TableGroupId(_checked_id(text, "table group"))


def _checked_id(text: str, kind: str) -> str:
    if not is_id(text):
        raise InvalidSettings(f"{text!r} is no {kind} id", hint=ID_RULE)
    return text


def quoted(identifier: str) -> str:
    """An identifier in back-ticks, inner ones doubled. Raises ConfigurationError when empty."""
    if not identifier or "\x00" in identifier:
        raise ConfigurationError("an SQL identifier must not be empty or hold NUL")
    return "`" + identifier.replace("`", "``") + "`"


def literal(value: object) -> str:
    """A value as a typed SQL literal, for statements that take no parameters (design AD1).

    Raises:
        TypeError: a type without an exact literal form.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return f"CAST({value} AS BIGINT)" if value < 0 else f"{value}L"
    if isinstance(value, Decimal):
        return f"CAST('{value}' AS DECIMAL(38, {max(0, -int(value.as_tuple().exponent))}))"
    if isinstance(value, float):
        return f"CAST('{value!r}' AS DOUBLE)"
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S.%f')}+00:00'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    raise TypeError(f"no SQL literal for {type(value).__name__}")


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table's full name. `sql` is its quoted three-part form."""

    catalog: str
    schema: str
    name: str

    @property
    def sql(self) -> str:
        return ".".join(quoted(part) for part in (self.catalog, self.schema, self.name))

    @property
    def text(self) -> str:
        """Unquoted dotted form, for people and for the Unity Catalog REST paths."""
        return f"{self.catalog}.{self.schema}.{self.name}"

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Namespace:
    """A group's five schemas in the lakehouse (design AD4, row B18)."""

    catalog: str
    schema: str

    @property
    def schemas(self) -> tuple[str, ...]:
        return (self.schema, *(f"{self.schema}_{layer}" for layer in LAYERS))

    def base(self, name: str) -> TableName:
        return TableName(self.catalog, self.schema, name)

    def bronze(self, name: str) -> TableName:
        return self.layer("bronze", name)

    def silver(self, name: str) -> TableName:
        return self.layer("silver", name)

    def gold(self, name: str) -> TableName:
        return self.layer("gold", name)

    def dq(self, name: str) -> TableName:
        return self.layer("dq", name)

    def layer(self, layer: str, name: str) -> TableName:
        """Table of a layer, whose name is not case-sensitive. Raises ValueError for no layer."""
        if layer.lower() not in LAYERS:
            raise ValueError(f"{layer!r} is no layer: one of {', '.join(LAYERS)}")
        return TableName(self.catalog, f"{self.schema}_{layer.lower()}", name)


LAYERS = ("bronze", "silver", "gold", "dq")


@dataclass(frozen=True, slots=True)
class VolumePath:
    """A Unity Catalog Volume, and a place below it (rows A11, B4, D1).

    Built and parsed only here: `/Volumes/<catalog>/<schema>/<volume>[/<part>…]`.
    """

    catalog: str
    schema: str
    volume: str
    parts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> VolumePath:
        """Accepts `/Volumes/c/s/v[/…]` and `c.s.v`.

        Raises:
            UnsafePath: any other form; empty, `.` or `..` parts; back-slash; control characters;
                percent-encoded separators.
        """
        if text.startswith("/Volumes/"):
            parts = text.removeprefix("/Volumes/").removesuffix("/").split("/")
        else:
            parts = text.split(".")
            if len(parts) != 3:
                raise UnsafePath(
                    f"{text!r} is no Volume path", hint="/Volumes/catalog/schema/volume"
                )
        if len(parts) < 3:
            raise UnsafePath(f"{text!r} names no Volume", hint="/Volumes/catalog/schema/volume")
        for part in parts:
            check_path_part(part)
        return cls(parts[0], parts[1], parts[2], tuple(parts[3:]))

    @classmethod
    def given(cls, text: str, *, catalog: str = "", schema: str = "") -> VolumePath:
        """As people write it: also `dbfs:/Volumes/…`, `/dbfs/Volumes/…` and `vol:<volume>/<path>`.

        The last is completed from `catalog` and `schema`. Below the Volume doubled slashes are one;
        the text is taken in Unicode's NFC.

        Raises:
            UnsafePath: as `parse`; a URL, another root of `dbfs:`, or one of the names is missing.
        """
        import unicodedata

        normal = unicodedata.normalize("NFC", text)
        below = _below_volumes(normal, catalog, schema).split("/")
        names, further = below[:3], [part for part in below[3:] if part]
        if len(names) < 3 or "" in names:
            raise UnsafePath(f"{text!r} names no Volume", hint=_VOLUME_FORM)
        catalog, schema, volume = map(check_path_part, names)
        return cls(catalog, schema, volume).joined(*further)

    def joined(self, *parts: str) -> VolumePath:
        """A place further down. Raises UnsafePath for a part that is no plain name."""
        for part in parts:
            check_path_part(part)
        return VolumePath(self.catalog, self.schema, self.volume, (*self.parts, *parts))

    def contains(self, other: VolumePath) -> bool:
        """Whether `other` is this place or lies below it, by components, never by prefix."""
        mine, theirs = self._all(), other._all()
        return theirs[: len(mine)] == mine

    def _all(self) -> tuple[str, ...]:
        return (self.catalog, self.schema, self.volume, *self.parts)

    @property
    def parent(self) -> VolumePath:
        """The directory it lies in; of a Volume itself, the Volume."""
        return VolumePath(self.catalog, self.schema, self.volume, self.parts[:-1])

    @property
    def root(self) -> VolumePath:
        """The Volume itself."""
        return VolumePath(self.catalog, self.schema, self.volume)

    @property
    def name(self) -> str:
        """The last part, '' of a Volume itself."""
        return self.parts[-1] if self.parts else ""

    @property
    def text(self) -> str:
        return "/Volumes/" + "/".join(self._all())

    @property
    def volume_name(self) -> str:
        """`catalog.schema.volume`, as the Unity Catalog API names it."""
        return f"{self.catalog}.{self.schema}.{self.volume}"

    @property
    def volume_sql(self) -> str:
        """The same for a statement."""
        return ".".join(map(quoted, (self.catalog, self.schema, self.volume)))

    def __str__(self) -> str:
        return self.text


def is_volume_text(text: str) -> bool:
    """Whether a text that may name a folder of this machine names one of a Volume."""
    return text.startswith("/Volumes/")


_VOLUME_FORM = "/Volumes/catalog/schema/volume/…"
_VOLUMES = re.compile(r"(?:dbfs:|/+dbfs)?/+Volumes(?:/|$)")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_elsewhere(text: str) -> bool:
    """Whether what somebody typed is no path of this machine; then `VolumePath.given` judges it."""
    if text.startswith(("/", "dbfs:", "vol:")):
        return _VOLUMES.match(text) is not None or not text.startswith("/")
    return _URL.match(text) is not None


def _below_volumes(text: str, catalog: str, schema: str) -> str:
    """What stands behind `/Volumes/`. Raises UnsafePath."""
    if text.startswith("vol:"):
        if not (catalog and schema):
            told = f"{text!r} needs a catalog and a schema that it lies in"
            raise UnsafePath(told, hint=_VOLUME_FORM)
        return f"{catalog}/{schema}/{text.removeprefix('vol:').lstrip('/')}"
    found = _VOLUMES.match(text)
    if found is None:
        what = "a URL" if _URL.match(text) else "no place in a Volume"
        raise UnsafePath(f"{text!r} is {what}", hint=_VOLUME_FORM)
    return text[found.end() :]


_SEPARATOR_OR_CONTROL = re.compile(r"[/\\\x00-\x1f\x7f]")
_ENCODED_SEPARATOR = re.compile(r"%(2f|5c|00)", re.IGNORECASE)


def check_path_part(part: str) -> str:
    """One component of a path, returned as it is.

    Raises:
        UnsafePath: empty, `.`, `..`, over 255 bytes, or with a separator, control character or
            percent-encoded separator in it.
    """
    if part in {"", ".", ".."}:
        raise UnsafePath(f"{part!r} cannot be part of a path")
    if _SEPARATOR_OR_CONTROL.search(part):
        raise UnsafePath(f"{part!r} holds a separator or control character")
    if _ENCODED_SEPARATOR.search(part):
        raise UnsafePath(f"{part!r} holds an encoded separator")
    if len(part.encode("utf-8", "surrogateescape")) > 255:
        raise UnsafePath(f"a name of over 255 bytes: {part[:40]!r}…")
    return part


def is_identifier(text: str) -> bool:
    """Whether a catalog, schema or volume may have this name (row A2)."""
    return _IDENTIFIER.fullmatch(text) is not None


def safe_column(text: str) -> str:
    """A column name every engine takes: lower-case letters, digits, `_` (design AD9)."""
    cleaned = re.sub(r"[^0-9a-z]+", "_", _ascii(text).lower()).strip("_")
    if not cleaned:
        return ""
    return cleaned if not cleaned[0].isdigit() else f"c_{cleaned}"


def _ascii(text: str) -> str:
    import unicodedata

    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def short_hash(text: str, length: int = 6) -> str:
    """First hex digits of a SHA-256, to tell apart what cleaning made equal."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:length]
