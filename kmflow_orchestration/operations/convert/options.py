"""Every option of a conversion, in one table that CLI, notebook and documentation are made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from kmflow_orchestration.converters.reader_options import OTHER_NAMES
from kmflow_orchestration.errors import InvalidOptions
from kmflow_orchestration.operations.convert.type_schema import nearest, read_schema

AUTO = "auto"
FORMATS = ("parquet", "csv", "jsonl", "txt")
COMPRESSIONS = ("snappy", "gzip", "zstd", "lz4", "none")


@dataclass(frozen=True, slots=True)
class ConversionOption:
    """One option: `name` in Python, `flags` in a shell; of what is on by itself the second is off.

    A tuple as default takes several values. `is_readers` options go to the converter, which must
    know them; the others belong to every format. With `has_opposite` the last flag turns it off
    although it is off by itself.
    """

    name: str
    flags: tuple[str, ...]
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    least: int | None = None
    is_readers: bool = False
    variable: str = ""
    """Where a shell's environment may say it: `KMFLOW_` and this. To a converter that does not know
    it, it means nothing then; a flag would be refused."""
    has_opposite: bool = False

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


_GRID = ("auto", "always", "never")
OPTIONS = (
    ConversionOption(
        "format_type",
        ("--format", "-f"),
        AUTO,
        "What to make; by itself Parquet of tables, text and Parquet of documents.",
        (AUTO, *FORMATS),
    ),
    ConversionOption(
        "compression",
        ("--compression", "-c"),
        "zstd",
        "Compression of Parquet.",
        COMPRESSIONS,
        variable="COMPRESSION",
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
        "sheets", ("--sheets",), (), "The same for several at once, with commas between them."
    ),
    ConversionOption(
        "combine",
        ("--combine", "--merge-sheets"),
        False,
        "Sheets with the same columns become one table with a column _sheet.",
    ),
    ConversionOption(
        "separate", ("--separate",), False, "Each sheet is a table of its own, as by itself."
    ),
    ConversionOption(
        "password_env",
        ("--password-env",),
        "",
        "Variable of the environment that holds the password of locked files.",
    ),
    ConversionOption(
        "types",
        ("--types",),
        "infer",
        "infer: types that hold every value of a column exactly; string: the text as it stood.",
        ("infer", "string"),
    ),
    ConversionOption(
        "schema",
        ("--schema",),
        "",
        "Types that columns must have: a YAML or JSON file, such as a manifest.",
    ),
    ConversionOption(
        "on_bad_row",
        ("--on-bad-row",),
        "",
        "A row that does not fit, a line that is no JSON, or one bad XML document of several: fail,"
        " or put it into NAME.rejects.parquet and count it. By itself short and long rows are kept,"
        " bad documents become the table rejected_documents, and a value against --schema or a bad"
        " line fails.",
        ("fail", "quarantine"),
    ),
    ConversionOption(
        "on_drift",
        ("--on-drift",),
        "",
        "When tables, columns or types are not those of the schema lock beside the result, which"
        " the first conversion writes: fail; widen: it moves to what holds both; new-version: the"
        " result is STEM.v2, and the lock keeps both.",
        ("fail", "widen", "new-version"),
    ),
    ConversionOption(
        "schema_lock",
        ("--schema-lock",),
        "",
        "The schema lock of these results, instead of STEM.schema.lock beside each.",
    ),
    ConversionOption(
        "column_names",
        ("--column-names",),
        "keep",
        "keep: as in the source; safe: lower-case letters, digits and _ for any engine.",
        ("keep", "safe"),
    ),
    ConversionOption(
        "provenance",
        ("--provenance",),
        False,
        "Columns _source_file, _source_part and _source_row before the others: `kmflow trace`.",
    ),
    ConversionOption(
        "row_group_rows",
        ("--row-group-rows",),
        1_000_000,
        "Rows of one Parquet row group at most.",
        least=1,
    ),
    ConversionOption(
        "chunk_size",
        ("--chunk-size",),
        100_000,
        "Rows of CSV, JSON lines and text that are written at a time, whatever comes out is the"
        " same; of Parquet see --row-group-rows.",
        least=1,
    ),
    ConversionOption(
        "allow_skip", ("--allow-skip",), False, "Exit 0 although something was left out."
    ),
    ConversionOption(
        "skip_errors",
        ("--skip-errors",),
        False,
        "The same as --allow-skip and --on-bad-row quarantine.",
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
    _reader(
        "date_order",
        "",
        "Order of day, month and year in columns of dates that fit several orders.",
        ("dmy", "mdy", "ymd"),
    ),
    _reader("merged", "", "Cells of a merged range: the first or all.", ("top-left", "fill")),
    _reader("split_tables", False, "Each stretch of rows between blank ones is a table."),
    _reader("range", "", "Only these cells of each sheet, such as A5:F200, B:D or 3:9."),
    _reader("table", (), "Only the tables defined under this name in the workbook; repeated."),
    ConversionOption(
        "include_hidden",
        ("--include-hidden", "--no-include-hidden"),
        True,
        "Hidden sheets, too.",
        is_readers=True,
    ),
    _reader("grid", "", "A list of its cells, of a sheet that is no table.", _GRID),
    _reader("extras", False, "Links and comments, too, as a table beside the others."),
    _reader("record_path", "", "Where records lie: data.items[*] in JSON, /data/item in XML."),
    _reader("flatten", False, "Members of objects become columns a.b, arrays tables."),
    _reader(
        "flatten_strategy",
        "",
        "XML: a table of all that repeats, of its outermost elements, or one wide table.",
        ("conservative", "moderate", "aggressive"),
    ),
    _reader(
        "array_handling",
        "",
        "Arrays that are no table: a row an item, texts joined by ' | ', or JSON.",
        ("expand", "concatenate", "json_string"),
    ),
    _reader("namespace_handling", "", "Names with a namespace.", ("strip", "prefix", "preserve")),
    ConversionOption(
        "system_tables",
        ("--include-system-tables", "--system-tables", "--exclude-system-tables"),
        False,
        "Tables of a database about itself, too.",
        is_readers=True,
        has_opposite=True,
    ),
    ConversionOption(
        "backend",
        ("--backend",),
        "",
        "What reads a database of Access.",
        is_readers=True,
        variable="BACKEND",
    ),
    _reader("ignore_missing_memo", False, "Memos whose file is not there are NULL."),
    _reader("include_deleted", False, "Deleted records are rows, too."),
    _reader("strip_gps", False, "Nothing of where it was taken, as tags or as text."),
    _reader("extract_attachments", False, "Write what is attached beside, and convert that, too."),
    _reader("pages", "", "Only these pages: 5, 1-10, 5-, -10 or 1-3,7.", short=("-p",)),
    _reader("pdf_tables", False, "Tables on the pages, too: ruled, or with aligned columns."),
    _reader("metadata", False, "Mark in the text where each page begins.", short=("-m",)),
)
BY_NAME: Mapping[str, ConversionOption] = {option.name: option for option in OPTIONS}
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
            raise InvalidOptions(f"there is no option {name}", hint=nearest(name, BY_NAME))
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
