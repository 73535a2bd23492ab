"""Archives converted on their own: one folder of results, and what is missing told (row D40)."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.errors import OutputExistsError
from kmflow_orchestration.operations.convert.convert_file import convert_file
from kmflow_orchestration.operations.convert.convert_folder import convert_folder
from kmflow_orchestration.operations.convert.earlier_results import find_earlier
from kmflow_orchestration.operations.convert.folder_plan import plan_folder
from kmflow_orchestration.operations.convert.inspect_file import inspect_file, validate_file
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.verify_output import verify_output
from kmflow_orchestration_tests.converters.archives.bundles import CSV, tarred, zipped
from kmflow_orchestration_tests.operations.convert.conftest import names_in

SOUND = {"a/loans.csv": CSV, "more.tgz": tarred({"people.csv": b"name\nAna\n"}, "gz")}


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Two tables, one of them in a nested archive, and no document."""
    path = tmp_path / "in" / "delivery.zip"
    path.parent.mkdir()
    path.write_bytes(zipped(SOUND))
    return path


@pytest.fixture
def unsound(sound: Path) -> Path:
    """The same with a name that leads out."""
    sound.write_bytes(zipped({**SOUND, "../x.csv": CSV}))
    return sound


def test_a_bundle_becomes_a_folder_of_tables_that_verifies(sound: Path, tmp_path: Path) -> None:
    done = convert_file(sound, f"{tmp_path}/out/")

    assert names_in(tmp_path / "out" / "delivery_parquet") == {
        "_manifest.json",
        "members.parquet",
        "a_loans.csv.parquet",
        "more.tgz!_people.csv.parquet",
    }
    assert done.missed == ()
    people = tmp_path / "out" / "delivery_parquet" / "more.tgz!_people.csv.parquet"
    assert pq.read_table(people).to_pydict() == {"name": ["Ana"]}
    record = done.manifest.outputs[2]
    assert record.receipt["options"]["member"] == "more.tgz!/people.csv"
    assert record.receipt["options"]["archive_sha256"] == done.manifest.source_sha256
    assert verify_output(people.parent).is_equal


@pytest.mark.parametrize("format_type", ["auto", "parquet"])
def test_text_of_a_bundle_is_in_the_result_whatever_the_format(
    tmp_path: Path, format_type: str
) -> None:
    source = tmp_path / "notes.zip"
    notes = b"# Findings\n\nAll was well.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    source.write_bytes(zipped({"one.md": notes, "two.md": b"Nothing else.\n"}))

    convert_file(source, f"{tmp_path}/out/", conversion_options({"format_type": format_type}))

    made = tmp_path / "out" / "notes_parquet"
    texts = pq.read_table(made / "blocks.parquet").column("text").to_pylist()
    assert {"Findings", "All was well.", "Nothing else."} <= set(texts)
    assert pq.read_table(made / "table_1.parquet").to_pydict() == {"a": [1], "b": [2]}
    assert (made / "notes_text.txt").exists() is (format_type == "auto")
    assert verify_output(made).is_equal


def test_the_same_bundle_gives_the_same_bytes(sound: Path, tmp_path: Path) -> None:
    first, second = (convert_file(sound, f"{tmp_path}/{name}/") for name in ("one", "two"))

    assert [one.sha256 for one in first.manifest.outputs] == [
        one.sha256 for one in second.manifest.outputs
    ]
    with pytest.raises(OutputExistsError):
        convert_file(sound, f"{tmp_path}/one/")


def test_one_table_can_be_chosen_by_its_path(sound: Path, tmp_path: Path) -> None:
    options = conversion_options({"tables": "a/*"})
    done = convert_file(sound, f"{tmp_path}/out/", options)

    assert [path.name for path in done.outputs] == ["delivery.parquet"]
    assert done.manifest.left_out == ("members", "more.tgz!/people.csv")


def test_a_second_batch_tells_what_is_missed_and_a_new_reader_reads_again(unsound: Path) -> None:
    plan = plan_folder(unsound.parent)
    first, second = (convert_folder(plan, parallel=1) for _ in range(2))

    assert [one.status.value for one in (*first.files, *second.files)] == ["converted", "unchanged"]
    assert first.files[0].missed == second.files[0].missed
    assert first.files[0].missed[0].startswith("../x.csv: its name leads out of the archive")
    assert not second.is_whole()

    # As if the reader of a file in it had another version then.
    (manifest,) = unsound.parent.parent.glob("in_converted/*/_manifest.json")
    told = json.loads(manifest.read_text())
    told["outputs"][1]["receipt"]["converter_version"] = "0"
    manifest.write_text(json.dumps(told))
    (third,) = convert_folder(plan, parallel=1).files
    assert third.status.value == "converted"


def test_info_lists_the_files_of_a_bundle(unsound: Path) -> None:
    found = inspect_file(unsound)

    assert [(one.path, one.fate, one.rows) for one in found.members] == [
        ("../x.csv", "refused", 0),
        ("a/loans.csv", "converted", 2),
        ("more.tgz", "opened", 0),
        ("more.tgz!/people.csv", "converted", 1),
    ]
    assert [table.part for table in found.tables] == ["a/loans.csv", "more.tgz!/people.csv"]
    assert json.loads(json.dumps(found.as_dict()))["members"][0]["reason"] == "unsafe_name"


def test_a_bundle_is_sound_if_all_its_files_are(sound: Path) -> None:
    assert validate_file(sound, deep=True).is_valid

    sound.write_bytes(zipped({**SOUND, "x.json": b'[{"a": '}))
    found = validate_file(sound)
    assert not found.is_valid
    assert found.message.startswith("1 files in it are not sound, first x.json: ")


RAGGED = {
    "a.csv": b"id,x\n1,2\n3,4,5\n",
    "b.jsonl": b'{"id": 1}\n{"id": \n',
    "c.txt": b"Dear all.\n",
}


def test_rows_of_a_bundle_that_do_not_fit_go_into_files_of_their_own(
    sound: Path, tmp_path: Path
) -> None:
    sound.write_bytes(zipped(RAGGED))
    options = conversion_options({"on_bad_row": "quarantine"})

    done = convert_file(sound, f"{tmp_path}/out/", options)

    folder = tmp_path / "out" / "delivery_parquet"
    by_part = {one.part: one for one in done.manifest.outputs}
    for part, raw in (("a.csv", ["3", "4", "5"]), ("b.jsonl", '{"id":')):
        assert by_part[part].rows == by_part[part].receipt["rows_rejected"] == 1
        rejects = pq.read_table(folder / by_part[part].rejects)
        assert [json.loads(one) for one in rejects["raw"].to_pylist()] == [raw]
    assert len(done.missed) == 2


def test_a_bundle_leaves_out_a_file_with_a_row_that_must_fit(sound: Path, tmp_path: Path) -> None:
    sound.write_bytes(zipped({**RAGGED, "d.csv": CSV}))
    options = conversion_options({"on_bad_row": "fail"})

    done = convert_file(sound, f"{tmp_path}/out/", options)

    text = {"", "blocks", "c.txt [documents]"}
    assert {one.part for one in done.manifest.outputs} == {*text, "members", "d.csv"}
    assert [one.partition(":")[0] for one in done.missed] == ["a.csv", "b.jsonl"]
    assert "row 3: it has 3 fields, and there are 2 columns" in done.missed[0]


@pytest.mark.parametrize(
    ("tables", "is_told"), [("*", True), ("a.csv", False)], ids=["all tables", "without the list"]
)
def test_text_in_a_bundle_is_kept_only_while_its_readers_are_known_and_the_same(
    sound: Path, tables: str, is_told: bool
) -> None:
    sound.write_bytes(zipped({"a.csv": CSV, "c.txt": b"Dear all.\n"}))
    plan = plan_folder(sound.parent)
    options = conversion_options({"tables": tables})
    done = convert_file(sound, f"{plan.output}/", options)

    def is_kept() -> bool:
        earlier = find_earlier(plan.files[0], options)
        assert earlier is not None
        return earlier.is_current(sound, options)

    assert is_kept() is is_told
    # As if the reader of the text had another version then.
    text = done.manifest_path.read_text()
    done.manifest_path.write_text(text.replace("plain_text:", "plain_text:0."))
    assert not is_kept()
