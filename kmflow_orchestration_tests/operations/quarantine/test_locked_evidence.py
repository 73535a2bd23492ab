"""Locked files in quarantine are tried again with their password, which is written nowhere."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pytest
from msoffcrypto.format.ooxml import OOXMLFile

from kmflow_orchestration.config.ciphertext import KEY_VARIABLE, new_key
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.operations.trace_rows import trace_rows
from kmflow_orchestration.tables.medallion import SILVER_EVIDENCE_FRAGMENTS
from kmflow_orchestration_tests.cli.conftest import Kmflow, Outcome
from kmflow_orchestration_tests.operations.convert.test_locked_files import a_document
from kmflow_orchestration_tests.operations.quarantine.deeds import codes, retry, show, the
from kmflow_orchestration_tests.operations.workspace_group import WorkspaceGroup, workbook

WORD = "open-sesame-4711"
VARIABLE = "QUARANTINED_FILES_PASSWORD"
REFERENCE = SecretRef("env", VARIABLE)


def locked(content: bytes) -> bytes:
    target = io.BytesIO()
    OOXMLFile(io.BytesIO(content)).encrypt(WORD, target)
    return target.getvalue()


@cache
def locked_workbook() -> bytes:
    return locked(workbook("pay", [["id", "amount"], [1, 2.5], [2, 3.5]]))


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(VARIABLE, WORD)
    return VARIABLE


def files_with(word: str, folder: Path) -> list[str]:
    return [
        one.name for one in folder.rglob("*") if one.is_file() and word.encode() in one.read_bytes()
    ]


def text_of(group: WorkspaceGroup, item_id: str) -> list[str]:
    table = group.own.config.namespace.silver(SILVER_EVIDENCE_FRAGMENTS.name)
    found = group.own.lakehouse.query(f"SELECT * FROM {table.sql}").to_pylist()
    return [row["content"] for row in found if row["evidence_item_id"] == item_id]


def test_a_locked_workbook_is_converted_with_the_password_of_the_runs_environment(
    acme: WorkspaceGroup, engagement: str, variable: str
) -> None:
    path = f"{engagement}/pay.xlsx"
    acme.drop(path, locked_workbook())
    acme.drop(f"{engagement}/other.csv", "id\n1\n")
    acme.convert()
    assert codes(acme, engagement) == {"pay.xlsx": "encrypted"}
    one = the(acme, engagement)
    assert "--password-env" in show(acme, path).how

    done = retry(acme, one.item_id, password=REFERENCE)
    (published,) = acme.convert()

    assert done.options == {"password_ref": f"env:{variable}"}
    assert codes(acme, engagement) == {}
    assert published.converted == 1
    table = f"{engagement}__pay__pay"
    assert sorted((row["id"], row["amount"]) for row in acme.rows(table)) == [(1, 2.5), (2, 3.5)]
    # The receipt speaks of the stored bytes, so a row is traced into them.
    (part,) = acme.groups.context.datasets.of_items(acme.id, [one.item_id])
    assert part.receipt["content_hash"] == sha256_of(acme.own.landing_root / path)
    tracing = {**acme.own.tracing(), "workers": 0}
    (traced,) = trace_rows(acme.id, table, ["id=2"], caller=acme.caller, **tracing).rows
    assert traced.source is not None
    assert [cell.text for cell in traced.source.cells] == ["2", "3.5"]
    # A run in processes of its own knows it, too.
    retyped = {**acme.own.tracing(), "workers": 1}
    (traced,) = trace_rows(acme.id, table, ["id=1"], caller=acme.caller, **retyped).rows
    assert traced.source is not None
    assert [cell.text for cell in traced.source.cells] == ["1", "2.5"]


def test_text_of_a_locked_document_comes_to_silver(
    acme: WorkspaceGroup, engagement: str, variable: str
) -> None:
    acme.drop(f"{engagement}/loan.docx", locked(a_document()))
    acme.work()
    one = the(acme, engagement)
    assert text_of(acme, one.item_id) == []

    retry(acme, one.item_id, password=REFERENCE)
    acme.work()

    assert text_of(acme, one.item_id) == ["Approve the loan"]


def test_without_the_variable_or_with_another_word_it_comes_back(
    acme: WorkspaceGroup, engagement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme.drop(f"{engagement}/pay.xlsx", locked_workbook())
    acme.convert()
    one = the(acme, engagement)

    monkeypatch.delenv(VARIABLE, raising=False)
    retry(acme, one.item_id, password=REFERENCE)
    acme.convert()
    assert codes(acme, engagement) == {"pay.xlsx": "encrypted"}
    assert f"env:{VARIABLE} is not set" in the(acme, engagement).message

    monkeypatch.setenv(VARIABLE, "another-word-0815")
    retry(acme, one.item_id, password=REFERENCE)
    acme.convert()
    assert "the password is not the document's" in the(acme, engagement).message

    monkeypatch.setenv(VARIABLE, WORD)
    retry(acme, one.item_id)
    acme.convert()
    assert codes(acme, engagement) == {}


def test_the_command_remembers_a_name_or_a_ciphertext_and_never_the_password(
    acme: WorkspaceGroup, engagement: str, shell: Kmflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, piped = f"{engagement}/named.xlsx", f"{engagement}/piped.xlsx"
    acme.drop(named, locked_workbook())
    acme.drop(piped, locked(workbook("more", [["n"], [7]])))
    acme.convert()

    def piping(*arguments: str) -> Outcome:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{WORD}\n"))
        return shell(*arguments)

    retrying = ("quarantine", "retry", "--group", "acme")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)

    # Whoever takes the option for the password itself must not see it remembered.
    absent = shell(*retrying, named, "--password-env", VARIABLE)
    keyless = piping(*retrying, piped, "--password-stdin")
    assert (absent.code, keyless.code) == (3, 3)
    assert codes(acme, engagement) == {"named.xlsx": "encrypted", "piped.xlsx": "encrypted"}

    monkeypatch.setenv(VARIABLE, WORD)
    monkeypatch.setenv(KEY_VARIABLE, new_key())
    by_name = shell(*retrying, named, "--password-env", VARIABLE, "--json")
    by_pipe = piping(*retrying, piped, "--password-stdin")
    acme.convert()

    assert by_name.json["options"] == {"password_ref": f"env:{VARIABLE}"}
    assert "fernet:***" in by_pipe.err
    assert codes(acme, engagement) == {}
    assert [row["n"] for row in acme.rows(f"{engagement}__piped__more")] == [7]
    told = shell("dataset", "corrections", "--group", "acme", "--engagement", engagement)
    assert "fernet:***" in told.out
    assert WORD not in f"{by_name.out}{by_pipe.err}{told.out}{told.err}"
    assert files_with(WORD, acme.groups.home) == []
