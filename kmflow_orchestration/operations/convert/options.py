"""Options of one conversion, checked against the table of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from kmflow_orchestration.config.nearest import nearest_or_all
from kmflow_orchestration.converters.reader_options import OTHER_NAMES
from kmflow_orchestration.errors import InvalidOptions
from kmflow_orchestration.operations.convert.option_table import (
    AUTO,
    BY_NAME,
    ConversionOption,
)
from kmflow_orchestration.operations.convert.type_schema import read_schema

# They say whether and when something is done, never what comes out.
_NOT_RECORDED = frozenset({"force", "allow_skip", "separate", "password_env", "chunk_size"})
# What a lock makes of a result stands beside the options in its manifest.
_LOCKING = frozenset({"on_drift", "schema_lock", "locked"})
# Manifests from before they came say the same of files converted without them.
_RECORDED_IF_SET = frozenset({"combine", "schema", "on_bad_row", "provenance"})


@dataclass(frozen=True, slots=True)
class ConversionOptions:
    """Checked values of the core's options; `reader` holds the given ones of the converter."""

    format_type: str = AUTO
    compression: str = "zstd"
    force: bool = False
    tables: tuple[str, ...] = ()
    sheet: tuple[str, ...] = ()
    combine: bool = False
    separate: bool = False
    password_env: str = ""
    types: str = "infer"
    schema: Mapping[str, Mapping[str, str]] | None = None
    on_bad_row: str = ""
    on_drift: str = ""
    schema_lock: str = ""
    locked: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Types, in text, of columns by table that are written wider than their values need."""
    column_names: str = "keep"
    provenance: bool = False
    row_group_rows: int = 1_000_000
    chunk_size: int = 100_000
    allow_skip: bool = False
    reader: Mapping[str, Any] = field(default_factory=dict)
    ambient: Mapping[str, Any] = field(default_factory=dict)
    """The reader's, too, but said by the environment to whichever reader knows them."""

    @property
    def is_locking(self) -> bool:
        """Whether results keep to a schema lock."""
        return bool(self.on_drift or self.schema_lock)

    @property
    def is_quarantining(self) -> bool:
        """Whether rows that do not fit go into a file of their own."""
        return self.on_bad_row == "quarantine"

    @property
    def recorded(self) -> dict[str, Any]:
        """What decides the result's bytes, for manifest and file; equal options, equal mapping."""
        core = {
            one.name: _plain(getattr(self, one.name))
            for one in fields(self)
            if one.name not in _NOT_RECORDED | _LOCKING
            and one.name not in {"reader", "ambient"}
            and (one.name not in _RECORDED_IF_SET or getattr(self, one.name))
        }
        if self.schema is not None:
            core["schema"] = {"tables": {table: dict(one) for table, one in self.schema.items()}}
        return {**core, **{name: _plain(value) for name, value in sorted(self.reader.items())}}


def conversion_options(
    given: Mapping[str, Any] | None = None, *, ambient: Mapping[str, str] | None = None
) -> ConversionOptions:
    """Options by their names; None, and an option's default, count as not given.

    `ambient` ones come from the environment, for converters that know them.

    Raises:
        InvalidOptions: a name that nobody knows, or a value it does not take.
    """
    chosen: dict[str, Any] = {}
    for name, value in (given or {}).items():
        option = BY_NAME.get(name)
        if option is None:
            raise InvalidOptions(f"there is no option {name}", hint=nearest_or_all(name, BY_NAME))
        if name == "schema":
            chosen[name] = read_schema(value) if value else None
        elif value is not None:
            chosen[name] = _checked(option, value)
    if chosen.pop("skip_errors", False):
        if chosen.get("on_bad_row") == "fail":
            raise InvalidOptions("--skip-errors and --on-bad-row fail exclude each other")
        chosen |= {"allow_skip": True, "on_bad_row": "quarantine"}
    # A name with a comma in it is for --sheet.
    chosen["sheet"] = (*chosen.get("sheet", ()), *chosen.pop("sheets", ()))
    reader = {
        name: value
        for name, value in chosen.items()
        if BY_NAME[name].is_readers and value != BY_NAME[name].default
    }
    core = {name: value for name, value in chosen.items() if not BY_NAME[name].is_readers}
    if core.get("combine") and core.get("separate"):
        raise InvalidOptions("--combine and --separate exclude each other", hint="leave one out")
    found = ConversionOptions(**core, reader=reader, ambient=dict(ambient or {}))
    if found.schema and found.is_locking:
        raise InvalidOptions(
            "--schema and a schema lock exclude each other",
            hint="a lock holds the types that were found; edit it to have others",
        )
    return found


def reader_options(
    options: ConversionOptions, known: Mapping[str, Any], converter: str
) -> dict[str, Any]:
    """The converter's own options, under the names it knows them by.

    Raises:
        InvalidOptions: one that it does not know, or two that exclude each other.
    """
    found: dict[str, Any] = {}
    for name, value in options.reader.items():
        own, given = name, value
        if name not in known and name in OTHER_NAMES:
            own, translated = OTHER_NAMES[name]
            given = translated(value)
        flag = BY_NAME[name].flags[0]
        if own not in known:
            raise InvalidOptions(
                f"{flag} means nothing to the {converter} converter",
                hint="leave it out; `kmflow formats` lists the options of each format",
            )
        if own in found:
            raise InvalidOptions(f"{flag} excludes another option about the {own}")
        found[own] = list(given) if isinstance(given, tuple) else given
    found = {name: one for name, one in options.ambient.items() if name in known} | found
    if options.on_bad_row and _BAD_LINES in known:
        found[_BAD_LINES] = "reject" if options.is_quarantining else "fail"
    return found


# What converters that can read on behind a bad row call what is to become of it.
_BAD_LINES = "bad_lines"


def flags_of(known: Iterable[str]) -> tuple[str, ...]:
    """The flags that reach a converter which knows these options; a name without one stays."""
    found: dict[str, None] = {}
    for own in sorted(known):
        names = [name for name, (other, _) in OTHER_NAMES.items() if other == own]
        if own == _BAD_LINES:
            names.append("on_bad_row")
        if own in BY_NAME:
            names.append(own)
        for name in names:
            found[BY_NAME[name].flags[0]] = None
        if not names:
            found[own] = None
    return tuple(found)


def _checked(option: ConversionOption, value: Any) -> Any:
    if option.is_list:
        return _listed(option, value)
    wanted = type(option.default)
    if type(value) is not wanted:
        raise InvalidOptions(f"{option.flags[0]} takes {_KINDS[wanted]}, not {value!r}")
    if option.choices and value not in option.choices and value != option.default:
        allowed = ", ".join(option.choices)
        raise InvalidOptions(f"{option.flags[0]} takes one of {allowed}, not {value!r}")
    if option.least is not None and value < option.least and value != option.default:
        raise InvalidOptions(f"{option.flags[0]} takes a number from {option.least}, not {value}")
    return value


def _listed(option: ConversionOption, value: Any) -> tuple[str, ...]:
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, Iterable):
        raise InvalidOptions(f"{option.flags[0]} takes words, not {value!r}")
    words = tuple(values)
    if not all(isinstance(word, str) for word in words):
        raise InvalidOptions(f"{option.flags[0]} takes words, not {value!r}")
    if option.name in {"tables", "sheets"}:
        return tuple(part.strip() for word in words for part in word.split(",") if part.strip())
    return words


_KINDS = {str: "a word", bool: "True or False", int: "a whole number"}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
