"""Every option of a conversion, in one table that CLI, notebook and documentation are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

AUTO = "auto"
FORMATS = ("parquet", "csv", "jsonl", "txt")
# No file: a table of a group in Unity Catalog.
TABLE = "delta"
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
        "What to make; by itself Parquet of tables, text and Parquet of documents. delta: the"
        " table that --table names.",
        (AUTO, *FORMATS, TABLE),
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
    _reader(
        "table",
        (),
        "Only the tables defined under this name in the workbook; repeated. With --format delta"
        " the table to make, CATALOG.SCHEMA.TABLE; of a batch CATALOG.SCHEMA.",
    ),
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
        "What reads a database of Access; there is one, auto.",
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
