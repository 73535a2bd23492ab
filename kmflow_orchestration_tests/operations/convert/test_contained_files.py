"""Attachments are written beside the result and converted with the hash of the mail (row D39)."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import threading
from email.message import EmailMessage
from email.policy import SMTP
from multiprocessing.process import BaseProcess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.errors import ConverterCrashed, DataLossError, InvalidOptions, UnsafePath
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.notebook import batch_convert
from kmflow_orchestration.notebook import convert_file as convert_in_notebook
from kmflow_orchestration.operations.convert.apart import convert_apart
from kmflow_orchestration.operations.convert.contained_files import (
    ContainedOutcome,
    convert_contained,
    convert_whole,
)
from kmflow_orchestration.operations.convert.convert_file import convert_file
from kmflow_orchestration.operations.convert.convert_folder import convert_folder
from kmflow_orchestration.operations.convert.folder_plan import plan_folder
from kmflow_orchestration.operations.convert.idle_process import kept_process
from kmflow_orchestration.operations.convert.one_process import Limits, OneProcess
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.work_folder import PREFIX
from kmflow_orchestration_tests.operations.convert.conftest import names_in
from kmflow_orchestration_tests.operations.convert.test_apart import own_pid
from kmflow_orchestration_tests.operations.convert.test_locked_files import (
    PASSWORD,
    a_workbook,
    locked_content,
)

LOANS = b"id,amount\n1,2\n"
OPTIONS = conversion_options({"extract_attachments": True})


def mail_with(*files: tuple[str, bytes]) -> bytes:
    written = EmailMessage(policy=SMTP)
    written["From"], written["To"], written["Subject"] = "a@e.com", "b@e.com", "Files"
    written.set_content("See there.\n")
    for name, content in files:
        written.add_attachment(
            content, maintype="application", subtype="octet-stream", filename=name
        )
    return bytes(written)


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    """Two tables of one name, a file that is attached twice, a mail, and what nobody reads."""
    path = tmp_path / "files.eml"
    inner = mail_with(("deep.csv", b"a\n1\n"))
    path.write_bytes(
        mail_with(
            ("../../loans.csv", LOANS),
            ("loans.csv", LOANS),
            ("loans.csv", b"id\n7\n"),
            ("inner.eml", inner),
            ("noise.bin", bytes(range(256))),
        )
    )
    return path


def converted(mail: Path) -> dict[str, ContainedOutcome]:
    done = convert_file(mail, options=OPTIONS)
    return {Path(one.path).name: one for one in convert_contained(done, OPTIONS)}


def test_attachments_lie_beside_the_result_and_are_converted(mail: Path) -> None:
    found = converted(mail)

    folder = mail.parent / "files_attachments"
    assert (mail.parent / "files_parquet" / "messages.parquet").is_file()
    assert set(found) == {"loans.csv", "loans_2.csv", "inner.eml", "deep.csv", "noise.bin"}
    assert (folder / "loans.csv").read_bytes() == LOANS
    assert pq.read_table(folder / "loans_2.parquet").to_pylist() == [{"id": 7}]
    assert (folder / "inner_attachments" / "deep.parquet").is_file()
    assert not any(one.problem for one in found.values())
    assert found["noise.bin"].outputs == ()


def test_the_manifest_of_an_attachment_names_the_mail_it_came_from(mail: Path) -> None:
    converted(mail)

    folder = mail.parent / "files_attachments"
    told = json.loads((folder / "_loans.parquet.manifest.json").read_text())
    deep = json.loads((folder / "inner_attachments/_deep.parquet.manifest.json").read_text())
    assert told["parent_sha256"] == sha256_of(mail)
    assert deep["parent_sha256"] == sha256_of(folder / "inner.eml")


def test_what_lies_there_is_never_replaced_and_the_same_is_kept(mail: Path) -> None:
    folder = mail.parent / "files_attachments"
    folder.mkdir()
    (folder / "loans.csv").write_text("mine")

    first = converted(mail)
    before = names_in(folder)
    again = conversion_options({"extract_attachments": True, "force": True})
    second = convert_contained(convert_file(mail, options=again), again)

    assert (folder / "loans.csv").read_text() == "mine"
    assert (folder / "loans_2.csv").read_bytes() == LOANS
    assert names_in(folder) == before
    assert [one.path for one in second] == [one.path for one in first.values()]


def test_equal_attachments_under_two_names_are_two_files(tmp_path: Path) -> None:
    mail = tmp_path / "twins.eml"
    mail.write_bytes(mail_with(("a.csv", LOANS), ("b.csv", LOANS), ("a.csv", LOANS)))

    found = converted(mail)

    assert set(found) == {"a.csv", "b.csv"}
    for name in ("a", "b"):
        assert (tmp_path / "twins_attachments" / f"{name}.csv").read_bytes() == LOANS
        assert (tmp_path / "twins_attachments" / f"{name}.parquet").is_file()


def test_a_folder_of_attachments_that_is_a_link_is_refused(mail: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (mail.parent / "files_attachments").symlink_to(elsewhere)

    with pytest.raises(UnsafePath, match="is no folder"):
        converted(mail)
    assert names_in(elsewhere) == set()


def test_an_attachment_that_is_damaged_is_kept_and_told(tmp_path: Path) -> None:
    mail = tmp_path / "a.eml"
    mail.write_bytes(mail_with(("broken.xlsx", b"PK\x03\x04" + bytes(100))))

    with pytest.raises(DataLossError, match=r"broken\.xlsx"):
        convert_in_notebook(mail, extract_attachments=True)

    assert (tmp_path / "a_attachments" / "broken.xlsx").is_file()


def test_other_formats_have_no_attachments_to_take_out(loans: Path) -> None:
    with pytest.raises(InvalidOptions, match="--extract-attachments means nothing"):
        convert_file(loans, options=OPTIONS)


def test_without_being_asked_nothing_is_taken_out(mail: Path) -> None:
    done = convert_file(mail)

    assert convert_contained(done, conversion_options()) == ()
    assert not (mail.parent / "files_attachments").exists()


def test_the_password_and_not_the_schema_of_a_mail_is_for_its_attachments(tmp_path: Path) -> None:
    mail = tmp_path / "a.eml"
    mail.write_bytes(mail_with(("loans.csv", LOANS), ("book.xlsx", locked_content(a_workbook))))
    schema = {"tables": {"messages": {"subject": "string"}}}
    options = conversion_options({"extract_attachments": True, "schema": schema})

    told = convert_whole(mail, options=options, password=PASSWORD)

    assert told["missed"] == []
    inner = tmp_path / "a_attachments"
    assert pq.read_table(inner / "loans.parquet").to_pylist() == [{"id": 1, "amount": 2}]
    assert pq.read_table(inner / "book.parquet").to_pylist() == [{"id": 1, "amount": 2.5}]


def killed_when_it_works_in(folder: Path, child: BaseProcess, ended: threading.Event) -> None:
    while not ended.wait(0.005):
        if list(folder.glob(f"{PREFIX}*/")):
            child.kill()
            return


def test_a_kill_among_the_attachments_leaves_no_work_folder(tmp_path: Path) -> None:
    mail = tmp_path / "a.eml"
    deep = mail_with(("big.csv", b"a,b\n" + b"some text,1\n" * 300_000))
    mail.write_bytes(mail_with(("loans.csv", LOANS), ("deep.eml", deep)))
    inner = tmp_path / "a_attachments" / "deep_attachments"
    options = conversion_options({"extract_attachments": True, "force": True})

    def is_killed(process: OneProcess) -> bool:
        """Unless it was too quick for that."""
        pid, ended = process.run(own_pid, None), threading.Event()
        [child] = [one for one in multiprocessing.active_children() if one.pid == pid]
        killer = threading.Thread(target=killed_when_it_works_in, args=(inner, child, ended))
        killer.start()
        try:
            convert_apart(process, mail, None, options)
        except ConverterCrashed:
            return True
        finally:
            ended.set()
            killer.join(60)
        shutil.rmtree(inner.parent)
        return False

    with kept_process(Limits(timeout_s=120)) as process:
        assert any(is_killed(process) for _ in range(5))

    assert (inner / "big.csv").is_file()
    assert not (inner / "big.parquet").exists()
    assert not list(tmp_path.rglob(f"{PREFIX}*"))


def test_a_later_batch_takes_out_what_an_earlier_one_did_not(tmp_path: Path) -> None:
    folder, out = tmp_path / "inbox", tmp_path / "out"
    folder.mkdir()
    broken = ("broken.xlsx", b"PK\x03\x04" + bytes(100))
    (folder / "a.eml").write_bytes(mail_with(("loans.csv", LOANS), broken))
    plan = plan_folder(folder, out)
    [first] = convert_folder(plan, OPTIONS, parallel=1).files
    inner = out / "a_attachments"
    kept = (inner / "loans.parquet").stat().st_mtime_ns
    # As if it had been killed under way.
    (inner / "broken.xlsx").unlink()

    [second] = convert_folder(plan, OPTIONS, parallel=1).files
    assert (inner / "broken.xlsx").is_file()
    assert (inner / "loans.parquet").stat().st_mtime_ns == kept
    (inner / "loans.parquet").unlink()
    [third] = convert_folder(plan, OPTIONS, parallel=1).files

    assert (first.status, second.status, third.status) == ("converted", "unchanged", "unchanged")
    assert (inner / "loans.parquet").is_file()
    assert "broken.xlsx" in "".join(first.missed)
    assert second.missed == third.missed == first.missed
    assert second.outputs == third.outputs == first.outputs
    assert str(inner / "loans.parquet") in second.outputs


def test_a_batch_takes_them_out_as_well(mail: Path, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    mail.rename(folder / "files.eml")

    [one] = batch_convert(folder, tmp_path / "out", extract_attachments=True).results

    assert one.error == ""
    assert str(tmp_path / "out/files_attachments/loans.parquet") in one.outputs
