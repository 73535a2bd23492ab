"""`kmflow convert` as a person calls it: what it prints, how it ends, what it leaves (row D12)."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import typer
import yaml

from kmflow_orchestration.cli.command_tree import command_tree
from kmflow_orchestration.cli.conversion_failures import ending_cleanly
from kmflow_orchestration.cli.main import main
from kmflow_orchestration.extras import MODULES
from kmflow_orchestration.operations.convert.option_table import OPTIONS
from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.converters.archives.bundles import CSV, zipped
from kmflow_orchestration_tests.converters.dbase_files import FieldSpec, dbf_bytes
from kmflow_orchestration_tests.converters.documents.page_samples import pdf
from kmflow_orchestration_tests.evidence_samples import ole
from kmflow_orchestration_tests.operations.convert.interrupted import COMMAND, interrupted
from kmflow_orchestration_tests.operations.convert.test_contained_files import mail_with

WITH_THE_EXTRA_ALONE = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in {blocked!r}):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from kmflow_orchestration.cli.conversion_failures import ending_cleanly
from kmflow_orchestration.cli.main import main
lines = ["convert loans.csv", "info loans.csv -f yaml", "validate loans.csv", "formats"]
codes = [main(line.split()) for line in [*lines, "verify output loans.parquet"]]
print(codes, [name for name in ("pandas", "numpy") if name in sys.modules])
"""


@pytest.fixture
def loans(tmp_path: Path) -> Path:
    path = tmp_path / "loans.csv"
    path.write_text("id;amount\n1;10.50\n2;\n")
    return path


def test_a_file_is_converted_without_a_group_or_a_home(
    kmflow: Kmflow, home: Path, loans: Path
) -> None:
    outcome = kmflow("convert", str(loans))

    assert outcome.code == 0, outcome.err
    assert outcome.out == f"{loans.with_suffix('.parquet')}: 2 rows, 2 columns\n"
    assert pq.read_table(loans.with_suffix(".parquet")).num_rows == 2
    assert not home.exists()


def test_the_flags_are_those_of_the_one_table() -> None:
    command: Any = command_tree("convert").commands["convert"]
    flags = {one.name: {*one.opts, *one.secondary_opts} for one in command.params}

    for option in OPTIONS:
        assert flags.pop(option.name) == set(option.flags)
    assert set(flags) == {
        *("source", "output", "dry_run", "preview_schema", "yes", "output_dir", "temp_dir"),
        *("timeout", "max_memory", "as_json", "quiet", "verbose", "password", "password_stdin"),
        *("group", "max_size_mb", "check", "volume_path", "interactive", "report", "summary"),
        *("workspace_url", "token", "token_stdin", "profile", "auth_type", "config_file"),
        "force_pyspark",
    }


def test_json_is_one_object_with_the_manifest(kmflow: Kmflow, loans: Path) -> None:
    told = kmflow("convert", str(loans), "--json").json

    assert (told["rows"], told["missed"], told["dry_run"]) == (2, [], False)
    assert told["manifest"]["outputs"][0]["file"] == "loans.parquet"


def test_every_flag_arrives(kmflow: Kmflow, loans: Path, tmp_path: Path) -> None:
    words = ("-f", "parquet", "-c", "gzip", "--types", "string", "--column-names", "safe")
    outcome = kmflow("convert", str(loans), "out", *words, "--row-group-rows", "1", "--quiet")

    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    file = pq.ParquetFile(tmp_path / "out" / "loans.parquet")
    assert file.metadata.num_row_groups == 2
    assert file.metadata.row_group(0).column(0).compression == "GZIP"
    assert {str(kind) for kind in file.schema_arrow.types} == {"string"}


def test_a_dry_run_leaves_nothing(kmflow: Kmflow, loans: Path) -> None:
    outcome = kmflow("convert", str(loans), "--dry-run")

    assert outcome.code == 0
    assert "would be made" in outcome.err
    assert not loans.with_suffix(".parquet").exists()


def test_a_preview_shows_tables_columns_and_types_and_stops(kmflow: Kmflow, tmp_path: Path) -> None:
    shop = tmp_path / "shop.xml"
    shop.write_text("<shop><item no='1'><tag>a</tag><tag>b</tag></item><item no='x'/></shop>")
    made = tmp_path / "shop_parquet"
    outcome = kmflow("convert", "shop.xml", "--preview-schema")

    assert (outcome.code, made.exists()) == (0, False)
    lines = [line.replace("│", " ").split() for line in outcome.out.splitlines()]
    assert ["item:", "2", "rows"] in lines
    assert ["item.tag:", "2", "rows"] in lines
    assert ["_parent_id", "_parent_id", "int64"] in lines
    assert ["@no", "@no", "string"] in lines

    wide = ("--flatten-strategy", "moderate", "--array-handling", "concatenate")
    outcome = kmflow("convert", "shop.xml", "--preview-schema", "--yes", *wide)

    assert outcome.code == 0
    assert pq.read_table(tmp_path / "shop.parquet").column("tag").to_pylist() == ["a | b", None]
    # What lies there already does not matter to a look.
    assert kmflow("convert", "shop.xml", "--preview-schema", *wide).code == 0
    assert kmflow("convert", "shop.xml", *wide).code == 6


def test_a_bad_document_among_several_is_kept_apart_and_told(
    kmflow: Kmflow, tmp_path: Path
) -> None:
    (tmp_path / "many.xml").write_text("<a><b>1</b></a><?xml version='1.0'?><a><b></a>")
    outcome = kmflow("convert", "many.xml")

    assert outcome.code == 1
    assert "1 of 2 documents are not well-formed" in outcome.err
    apart = pq.read_table(tmp_path / "many_parquet" / "rejected_documents.parquet")
    assert apart.column("text").to_pylist() == ["<?xml version='1.0'?><a><b></a>"]
    assert kmflow("convert", "many.xml", "--force", "--allow-skip").code == 0
    # Whichever table is asked for, the file lacks it.
    only = ("--tables", "rejected*", "--output-dir", "only")
    assert kmflow("convert", "many.xml", *only).code == 1


def test_a_bad_document_fails_the_file_or_is_a_rejected_row_when_asked(
    kmflow: Kmflow, tmp_path: Path
) -> None:
    (tmp_path / "many.xml").write_text("<a><b>1</b></a><?xml version='1.0'?><a><b></a>")
    outcome = kmflow("convert", "many.xml", "--on-bad-row", "fail")

    assert outcome.code == 1
    assert "line 1, column" in outcome.err
    assert [one.name for one in tmp_path.iterdir()] == ["many.xml"]

    outcome = kmflow("convert", "many.xml", "--on-bad-row", "quarantine")

    assert outcome.code == 1
    assert "1 rows were rejected, see many.rejects.parquet" in outcome.err
    (row,) = pq.read_table(tmp_path / "many.rejects.parquet").to_pylist()
    assert json.loads(row["raw"]) == "<?xml version='1.0'?><a><b></a>"
    assert pq.read_table(tmp_path / "many.parquet").column("b").to_pylist() == [1]
    assert not (tmp_path / "many_parquet").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are text")
def test_a_name_that_is_no_text_is_refused(kmflow: Kmflow, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"a\xff.csv")
    path.write_text("a,b\n1,2\n")

    outcome = kmflow("convert", str(path))

    assert outcome.code == 2
    assert r"a\udcff.csv is not UTF-8" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["{loans}", "--merged", "fill"], 2, "--merged means nothing to"),
        (["{loans}", "--sheet", "x"], 2, "--sheet means nothing to the delimited converter"),
        (["{loans}", "--combine"], 2, "--combine means nothing to the delimited converter"),
        (["{loans}", "--combine", "--separate"], 2, "exclude each other"),
        (["{loans}", "-c", "brotli"], 2, "--compression"),
        (["{loans}", "--row-group-rows", "0"], 2, "--row-group-rows"),
        (["{loans}", "--no-such-flag"], 2, "--no-such-flag"),
        (["nowhere.csv"], 2, "there is no file nowhere.csv"),
        (["."], 2, "kmflow batch-convert takes folders"),
        (["{loans}", "{loans}"], 6, "is the source itself"),
        (["unknown.bin"], 2, "no converter reads unknown.bin"),
        (["empty.csv"], 1, "empty.csv is empty"),
        (["broken.xlsx"], 1, "KM-INTAKE-002"),
        (["old.doc"], 3, "soffice --headless --convert-to docx 'old.doc'"),
        (["old.pptx"], 3, "soffice --headless --convert-to pptx 'old.pptx'"),
    ],
    ids=str,
)
def test_each_refusal_has_its_code_and_says_why(
    kmflow: Kmflow, loans: Path, arguments: list[str], code: int, told: str
) -> None:
    tmp_path = loans.parent
    (tmp_path / "empty.csv").touch()
    (tmp_path / "unknown.bin").write_bytes(bytes(range(256)))
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04" + bytes(100))
    (tmp_path / "old.doc").write_bytes(ole("WordDocument"))
    (tmp_path / "old.pptx").write_bytes(ole("PowerPoint Document"))
    before = set(tmp_path.iterdir())

    outcome = kmflow("convert", *(one.format(loans=loans) for one in arguments))

    assert outcome.code == code, outcome.err
    assert told in outcome.err
    assert outcome.out == ""
    assert set(tmp_path.iterdir()) == before


def test_the_environment_may_say_what_no_flag_says(
    kmflow: Kmflow, loans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("OUTPUT_DIR", "made.d"), ("COMPRESSION", "gzip"), ("TEMP_DIR", "nowhere")):
        monkeypatch.setenv(f"KMFLOW_{name}", value)
    assert "nowhere" in kmflow("convert", str(loans)).err
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("KMFLOW_TEMP_DIR", "tmp")

    assert kmflow("convert", str(loans)).code == 0
    written = pq.ParquetFile(tmp_path / "made.d" / "loans.parquet").metadata
    assert written.row_group(0).column(0).compression == "GZIP"
    assert kmflow("convert", str(loans), "flag/", "-c", "zstd").code == 0
    written = pq.ParquetFile(tmp_path / "flag" / "loans.parquet").metadata
    assert written.row_group(0).column(0).compression == "ZSTD"
    monkeypatch.setenv("KMFLOW_MAX_MEMORY", "1")
    refused = kmflow("convert", str(loans), "--force")
    assert (refused.code, "--max-memory" in refused.err) == (2, True)


def test_errors_may_be_skipped_and_are_told_all_the_same(kmflow: Kmflow, tmp_path: Path) -> None:
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3,4\n5\n6,7\n")

    outcome = kmflow("convert", "ragged.csv", "--skip-errors", "--json")
    assert (outcome.code, outcome.json["rows"]) == (0, 3)
    assert outcome.json["missed"] == [
        "ragged.parquet: 1 rows were rejected, see ragged.rejects.parquet",
    ]
    assert kmflow("convert", "ragged.csv", "--skip-errors", "--on-bad-row", "fail").code == 2


def test_a_schema_is_a_flag(kmflow: Kmflow, loans: Path) -> None:
    (loans.parent / "types.yaml").write_text("columns: {id: date}\n")

    refused = kmflow("convert", str(loans), "--schema", "types.yaml")

    assert refused.code == 1
    assert "KM-CONVERT-003: column id, row 2: '1' is no date32[day]" in refused.err


@pytest.mark.parametrize("pages", ["abc", "3-1", "9", "2-9"])
def test_pages_that_are_not_there_are_a_usage_error(
    kmflow: Kmflow, tmp_path: Path, pages: str
) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf())

    outcome = kmflow("convert", "a.pdf", "-p", pages)

    assert (outcome.code, outcome.out) == (2, "")
    assert "pages" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["a.pdf"]


def test_pages_of_a_pdf_are_chosen_and_marked(kmflow: Kmflow, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf(has_damaged_page=True))

    chosen = kmflow("convert", "a.pdf", "a.txt", "-p", "-2", "-m")
    damaged = kmflow("convert", "a.pdf")

    assert chosen.code == 0, chosen.err
    assert (tmp_path / "a.txt").read_text().startswith("--- Page 1 ---\n\nTariff\nAll rates")
    assert damaged.code == 1
    assert "not in the result: page 4: the page is damaged" in damaged.err
    assert pq.read_table(tmp_path / "a_parquet" / "pages.parquet").num_rows == 4


def test_attachments_are_taken_out_and_told(kmflow: Kmflow, tmp_path: Path) -> None:
    files = (("loans.csv", b"id\n1\n"), ("noise.bin", bytes(range(256))))
    (tmp_path / "a.eml").write_bytes(mail_with(*files))

    outcome = kmflow("convert", "a.eml", "--extract-attachments")

    assert outcome.code == 0, outcome.err
    assert "a_attachments/loans.csv: taken out" in outcome.out
    assert "a_attachments/noise.bin stays as it is" in outcome.err
    assert (tmp_path / "a_attachments" / "loans.parquet").is_file()


def test_what_is_there_is_refused_until_force(kmflow: Kmflow, loans: Path) -> None:
    kmflow("convert", str(loans))

    refused = kmflow("convert", str(loans))
    assert (refused.code, "--force" in refused.err) == (6, True)
    assert kmflow("convert", str(loans), "--force").code == 0


def test_a_table_without_rows_is_exit_1_unless_allowed(kmflow: Kmflow, tmp_path: Path) -> None:
    (tmp_path / "head.csv").write_text("a,b\n")

    refused = kmflow("convert", "head.csv")
    assert refused.code == 1
    assert "not in the result: head.csv: there is a header and no row" in refused.err
    assert kmflow("convert", "head.csv", "--force", "--allow-skip").code == 0


def test_what_a_bundle_lacks_is_exit_1_unless_allowed(kmflow: Kmflow, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(zipped({"a.csv": CSV, "../b.csv": CSV}))

    outcome = kmflow("convert", str(bundle))
    allowed = kmflow("convert", str(bundle), "--allow-skip", "--force")
    info = kmflow("info", str(bundle), "--format", "json")

    assert (outcome.code, allowed.code, info.code) == (1, 0, 0)
    assert "not in the result: ../b.csv: its name leads out of the archive" in outcome.err
    assert (tmp_path / "bundle_parquet" / "a.csv.parquet").is_file()
    members = json.loads(info.out)["members"]
    assert [(one["path"], one["fate"]) for one in members] == [
        ("../b.csv", "refused"),
        ("a.csv", "converted"),
    ]


def test_verbose_shows_where_and_quiet_only_what_failed(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kmflow: Kmflow
) -> None:
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04" + bytes(100))

    assert main(["convert", "broken.xlsx", "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err
    assert kmflow("convert", "broken.xlsx", "--quiet").err.startswith("KM-INTAKE-002")


def test_only_the_packages_of_the_extra_are_needed(loans: Path) -> None:
    brought = {"typer", "rich", "yaml", "pyarrow", "puremagic", "python_calamine"}
    brought |= {"charset_normalizer"}
    brought |= {"pydantic"}  # Typer brings it
    others = {one for names in MODULES.values() for one in names} - brought
    child = subprocess.run(
        [sys.executable, "-c", WITH_THE_EXTRA_ALONE.format(blocked=others)],
        cwd=loans.parent,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert child.returncode == 0, child.stderr
    assert child.stdout.splitlines()[-1] == "[0, 0, 0, 0, 0] []"


MOMENT = datetime.fromisoformat("1970-01-01T00:00:01")
FOXPRO_FIELDS = [
    *[("N", "N", 2), ("L", "L", 1), ("I", "I", 4), ("B", "B", 8), ("Y", "Y", 8)],
    *[("T", "T", 8), ("V", "V", 3), ("_NullFlags", "0", 1)],
]
FOXPRO_RECORD = b" 7T" + struct.pack("<idqII", -5, 0.5, 12_500, 2_440_588, 1000) + b"ab\2\x40"
DBASE_7_FIELDS = [("AUTO", "+", 4), ("SHARE", "O", 8)]
DBASE_7_RECORD = bytes([0x80, 0, 0, 7, 0xBF, 0xE0]) + bytes(6)


@pytest.mark.parametrize(
    ("version", "fields", "record", "values"),
    [
        (0x32, FOXPRO_FIELDS, FOXPRO_RECORD, (7, True, -5, 0.5, Decimal("1.25"), MOMENT, "ab")),
        (0x04, DBASE_7_FIELDS, DBASE_7_RECORD, (7, 0.5)),
    ],
    ids=["FoxPro", "dBASE 7"],
)
def test_a_process_of_its_own_converts_every_kind_of_dbf_field(
    tmp_path: Path, version: int, fields: list[FieldSpec], record: bytes, values: tuple[object, ...]
) -> None:
    records = [b" " + record, b"*" + record, b" " + record]
    flags = [0x02] * 7 if version == 0x32 else []
    content = dbf_bytes(fields, records, version=version, flags=flags)
    (tmp_path / "k.dbf").write_bytes(content)
    child = subprocess.run(
        [sys.executable, "-c", COMMAND, "convert", "k.dbf"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert child.returncode == 0, child.stderr
    found = pq.read_table(tmp_path / "k.parquet").to_pylist()
    assert [tuple(row.values()) for row in found] == [values, values]


def test_info_shows_a_file_in_three_forms(kmflow: Kmflow, loans: Path) -> None:
    shown = kmflow("info", str(loans), "--explain")
    told = kmflow("info", str(loans), "-f", "json").json
    plain = yaml.safe_load(kmflow("info", str(loans), "-f", "yaml").out)

    assert told == plain
    assert told["tables"][0]["rows"] == 2
    assert told["sha256"] in shown.out
    assert "sure that it is its own" in shown.out


def test_info_of_what_cannot_be_read_is_exit_1(kmflow: Kmflow, tmp_path: Path) -> None:
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04" + bytes(100))

    assert kmflow("info", "broken.xlsx").code == 1


def test_validate_is_0_only_if_all_are_sound(kmflow: Kmflow, loans: Path) -> None:
    (loans.parent / "named.xlsx").write_text("a,b\n1,2\n3,4\n")

    assert kmflow("validate", str(loans), "--deep").code == 0
    outcome = kmflow("validate", str(loans), "named.xlsx", "--json")
    assert outcome.code == 1
    assert [one["is_valid"] for one in outcome.json["files"]] == [True, False]
    assert "the content is delimited" in kmflow("validate", "named.xlsx").out


def test_formats_are_listed_filtered_and_printed(kmflow: Kmflow) -> None:
    [only] = kmflow("formats", "--input", "xlsx", "--json").json["formats"]

    assert (only["converter"], only["available"]) == ("spreadsheet", True)
    assert "delimited" in kmflow("formats").out
    assert kmflow("formats", "--markdown").out.startswith("# Formats\n")
    assert kmflow("formats", "--input", "nothing").code == 1


def test_a_batch_tells_of_every_file_and_ends_by_its_failures(kmflow: Kmflow, loans: Path) -> None:
    folder = loans.parent / "in"
    folder.mkdir()
    loans.rename(folder / "loans.csv")
    once = ("batch-convert", "in", "--parallel", "1")

    good = kmflow(*once, "--report", "report.json")
    assert good.code == 0, good.err
    assert json.loads((folder.parent / "report.json").read_text())["counts"] == {"converted": 1}
    assert "loans.parquet" in good.out

    (folder / "bad.xlsx").write_bytes(b"PK\x03\x04" + bytes(90))
    bad = kmflow(*once, "--json")
    assert (bad.code, bad.json["counts"]) == (1, {"failed": 1, "unchanged": 1})


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["in"], 2, "no file of in matches"),
        (["in", "--allow-empty"], 0, ""),
        (["in", "in/out"], 6, "lies in"),
        (["nowhere"], 2, "is no folder"),
        (["in", "--parallel", "33"], 2, "--parallel"),
        (["in", "--compression", "brotli"], 2, "--compression"),
    ],
    ids=str,
)
def test_a_batch_of_nothing_and_a_wrong_place_are_refused(
    kmflow: Kmflow, tmp_path: Path, arguments: list[str], code: int, told: str
) -> None:
    (tmp_path / "in").mkdir()

    outcome = kmflow("batch-convert", *arguments)

    assert outcome.code == code
    assert told in outcome.err


def test_verify_names_the_cell_that_was_changed(kmflow: Kmflow, loans: Path) -> None:
    kmflow("convert", str(loans), "out.csv")

    equal = kmflow("verify", "output", "out.csv")
    assert (equal.code, equal.out) == (0, "1 file(s), 2 rows, 2 columns: equal\n")

    out = loans.parent / "out.csv"
    out.write_text(out.read_text().replace("10.50", "10.51"))
    changed = kmflow("verify", "output", "out.csv")
    assert changed.code == 1
    assert "out.csv: row 1, column amount: '10.51' instead of '10.50'" in changed.err
    told = kmflow("verify", "output", "out.csv", "--source", str(loans), "--json").json
    assert told["is_equal"] is False
    assert {"row": 1, "column": "amount"}.items() <= told["differences"][1].items()
    assert kmflow("verify", "output", "nothing").code == 2


def test_a_word_to_end_ends_a_block_as_ctrl_c_would() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt), ending_cleanly(verbose=False):
        signal.raise_signal(signal.SIGTERM)

    assert signal.getsignal(signal.SIGTERM) is before


def test_a_fault_of_ours_is_one_line_and_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, ending_cleanly(verbose=False):
        raise LookupError("nobody foresaw this")

    assert ended.value.exit_code == 1
    told = capsys.readouterr().err
    assert told.startswith("a fault of kmflow itself: LookupError: nobody foresaw this\n")
    assert "Traceback" not in told


def test_a_batch_that_is_told_to_end_cleans_up_and_goes_on_later(
    kmflow: Kmflow, tmp_path: Path
) -> None:
    out = tmp_path / "in_converted"
    (tmp_path / "in").mkdir()
    for number in range(6):
        rows = "".join(f"{row},some text {row}\n" for row in range(40_000))
        (tmp_path / "in" / f"{number}.csv").write_text(f"id,text\n{rows}")
    words = ["in", "--parallel", "1", "--quiet"]
    code, err = interrupted(["batch-convert", *words], tmp_path, out, signal.SIGTERM)

    assert (code, err) == (130, "")
    assert not list(out.glob(".kmflow-convert-*"))
    assert kmflow("batch-convert", *words).code == 0
    assert len(list(out.glob("*.parquet"))) == 6
