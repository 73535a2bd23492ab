"""Every option of a conversion, in one table that CLI, notebook and documentation are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from kmflow_orchestration.errors import InvalidOptions

AUTO = "auto"
FORMATS = ("parquet", "csv", "jsonl", "txt")
COMPRESSIONS = ("snappy", "gzip", "zstd", "lz4", "none")


@dataclass(frozen=True, slots=True)
class ConversionOption:
    """One option: `name` in Python, `flags` in a shell.

    A tuple as default takes several values. `is_readers` options go to the converter, which must
    know them; the others belong to every format.
    """

    name: str
    flags: tuple[str, ...]
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    least: int | None = None
    is_readers: bool = False

    @property
    def is_list(self) -> bool:
        return isinstance(self.default, tuple)


def _reader(
    name: str,
    default: Any,
    told: str,
    choices: tuple[str, ...] = (),
    *,
    least: int | None = None,
    short: tuple[str, ...] = (),
) -> ConversionOption:
    """An option of single formats; its flag is its name."""
    flags = (f"--{name.replace('_', '-')}", *short)
    return ConversionOption(name, flags, default, told, choices, least, is_readers=True)


_BAD = ("fail", "quarantine")
OPTIONS = (
    ConversionOption(
        "format_type",
        ("--format", "-f"),
        AUTO,
        "What to make; by itself Parquet of tables, text and Parquet of documents.",
        (AUTO, *FORMATS),
    ),
    ConversionOption(
        "compression", ("--compression", "-c"), "zstd", "Compression of Parquet.", COMPRESSIONS
    ),
    ConversionOption("force", ("--force",), False, "Replace what lies where the result goes."),
    ConversionOption(
        "tables",
        ("--tables", "-t"),
        (),
        "Only these tables or sheets, by name or pattern; commas or repeated.",
    ),
    ConversionOption(
        "sheet", ("--sheet",), (), "Only this sheet: name, pattern or number from 1; repeated."
    ),
    ConversionOption(
        "types",
        ("--types",),
        "infer",
        "infer: types that hold every value of a column exactly; string: the text as it stood.",
        ("infer", "string"),
    ),
    ConversionOption(
        "column_names",
        ("--column-names",),
        "keep",
        "keep: as in the source; safe: lower-case letters, digits and _ for any engine.",
        ("keep", "safe"),
    ),
    ConversionOption(
        "row_group_rows",
        ("--row-group-rows",),
        1_000_000,
        "Rows of one Parquet row group at most.",
        least=1,
    ),
    ConversionOption(
        "allow_skip", ("--allow-skip",), False, "Exit 0 although something was left out."
    ),
    _reader("header_row", 0, "Row that holds the header, from 1.", least=1),
    _reader("encoding", "", "Encoding of the text, such as cp1252."),
    _reader("delimiter", "", "What separates fields, such as ';' or tab."),
    _reader("quote", "", "What stands around a text with a delimiter in it, or none."),
    _reader("escape", "", "What takes its meaning from the character after it, or none."),
    _reader("comment", "", "What a line begins with that is no data, or none."),
    _reader("skip_lines", 0, "Lines before anything that counts.", least=0),
    _reader("null", (), "Word that means no value; repeated."),
    _reader("no_header", False, "The first row is data, too."),
    _reader("decimal", "", "Decimal mark of numbers.", (".", ",")),
    _reader("thousands", "", "Mark between the thousands of numbers."),
    _reader("on_bad_row", "", "A row that does not fit: fail, or leave it out and count it.", _BAD),
    _reader("merged", "", "Cells of a merged range: the first or all.", ("top-left", "fill")),
    _reader("split_tables", False, "Each stretch of rows between blank ones is a table."),
    _reader("record_path", "", "Where the records lie in a document: data.items[*]."),
    _reader("flatten", False, "Members of objects become columns a.b, arrays tables."),
    _reader("namespace_handling", "", "Names with a namespace.", ("strip", "prefix", "preserve")),
    _reader("ignore_missing_memo", False, "Memos whose file is not there are NULL."),
    _reader("include_deleted", False, "Deleted records are rows, too."),
    _reader("extract_attachments", False, "Write what is attached beside, and convert that, too."),
    _reader("pages", "", "Only these pages: 5, 1-10, 5-, -10 or 1-3,7.", short=("-p",)),
    _reader("metadata", False, "Mark in the text where each page begins.", short=("-m",)),
)
BY_NAME: Mapping[str, ConversionOption] = {option.name: option for option in OPTIONS}
# They say whether and when something is done, never what comes out.
_NOT_RECORDED = frozenset({"force", "allow_skip"})


@dataclass(frozen=True, slots=True)
class ConversionOptions:
    """Checked values of the core's options; `reader` holds the given ones of the converter."""

    format_type: str = AUTO
    compression: str = "zstd"
    force: bool = False
    tables: tuple[str, ...] = ()
    sheet: tuple[str, ...] = ()
    types: str = "infer"
    column_names: str = "keep"
    row_group_rows: int = 1_000_000
    allow_skip: bool = False
    reader: Mapping[str, Any] = field(default_factory=dict)

    @property
    def recorded(self) -> dict[str, Any]:
        """What decides the result's bytes, for manifest and file; equal options, equal mapping."""
        core = {
            one.name: _plain(getattr(self, one.name))
            for one in fields(self)
            if one.name not in _NOT_RECORDED and one.name != "reader"
        }
        return {**core, **{name: _plain(value) for name, value in sorted(self.reader.items())}}


def conversion_options(given: Mapping[str, Any] | None = None) -> ConversionOptions:
    """Options by their names; None, and an option's default, count as not given.

    Raises:
        InvalidOptions: a name that nobody knows, or a value it does not take.
    """
    chosen: dict[str, Any] = {}
    for name, value in (given or {}).items():
        option = BY_NAME.get(name)
        if option is None:
            raise InvalidOptions(f"there is no option {name}", hint=_nearest(name, BY_NAME))
        if value is not None:
            chosen[name] = _checked(option, value)
    reader = {
        name: value
        for name, value in chosen.items()
        if BY_NAME[name].is_readers and value != BY_NAME[name].default
    }
    core = {name: value for name, value in chosen.items() if not BY_NAME[name].is_readers}
    return ConversionOptions(**core, reader=reader)


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
        if name not in known and name in _OTHER_NAMES:
            own, translated = _OTHER_NAMES[name]
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
    return found


# What converters call an option that has another name, or several, in the table.
_OTHER_NAMES: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "header_row": ("header", str),
    "no_header": ("header", lambda _: "none"),
    "on_bad_row": ("bad_lines", {"fail": "fail", "quarantine": "reject"}.__getitem__),
}


def flags_of(known: Iterable[str]) -> tuple[str, ...]:
    """The flags that reach a converter which knows these options; a name without one stays."""
    found: dict[str, None] = {}
    for own in sorted(known):
        names = [name for name, (other, _) in _OTHER_NAMES.items() if other == own]
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
    if option.name == "tables":
        return tuple(part.strip() for word in words for part in word.split(",") if part.strip())
    return words


_KINDS = {str: "a word", bool: "True or False", int: "a whole number"}


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
