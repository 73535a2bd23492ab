"""Design AD10: where secrets are kept, and that only a reference to one can be stored or shown."""

from __future__ import annotations

import copy
import json
import os
import pickle
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.config import private_files
from kmflow_orchestration.config.ciphertext import encrypt, new_key
from kmflow_orchestration.config.secret_refs import Secret, SecretRef, SecretSources
from kmflow_orchestration.errors import CredentialError
from kmflow_orchestration.redaction import redact

VALUE = "s3cr3t-of-the-references"
KEY, OTHER_KEY = new_key(), new_key()


def resolved(text: str, **sources) -> str:
    return SecretRef.parse(text).resolve(SecretSources(**sources)).reveal()


def refusal(text: str, **sources) -> str:
    with pytest.raises(CredentialError) as caught:
        resolved(text, **sources)
    return str(caught.value)


def test_a_variable_holds_a_secret():
    assert resolved("env:T", environment={"T": f" {VALUE}\n"}) == VALUE


def test_the_process_environment_is_where_variables_are_by_default(monkeypatch):
    monkeypatch.setenv("T", VALUE)
    assert SecretRef("env", "T").resolve().reveal() == VALUE


def test_a_file_holds_a_secret(tmp_path: Path):
    path = tmp_path / "token"
    path.write_text(f"{VALUE}\n")
    path.chmod(0o600)
    assert resolved(f"file:{path}", production=True) == VALUE


def test_a_ciphertext_is_the_secret_itself():
    ciphertext = f"fernet:{encrypt(VALUE, {'KMFLOW_FERNET_KEY': KEY})}"
    assert resolved(ciphertext, environment={"KMFLOW_FERNET_KEY": KEY}) == VALUE
    renewed = {"KMFLOW_FERNET_KEY": f"{OTHER_KEY},{KEY}"}
    assert resolved(ciphertext, environment=renewed) == VALUE
    assert VALUE not in ciphertext


def test_a_secret_scope_holds_a_secret():
    assert resolved("secret:kmflow/acme", scopes=lambda scope, key: f"{scope}-{key}-{VALUE}") == (
        f"kmflow-acme-{VALUE}"
    )


CIPHERTEXT = f"fernet:{encrypt(VALUE, {'KMFLOW_FERNET_KEY': KEY})}"


@pytest.mark.parametrize(
    ("text", "sources", "says"),
    [
        ("env:T", {"environment": {}}, "env:T is not set"),
        ("env:T", {"environment": {"T": " "}}, "env:T is empty"),
        ("file:/absent/token", {}, "file:/absent/token cannot be read"),
        ("file:/", {}, "cannot be read"),
        ("secret:kmflow/acme", {}, "signs in to no workspace"),
        ("profile:prod", {}, "group's token only"),
        (CIPHERTEXT, {"environment": {}}, "KMFLOW_FERNET_KEY is not set"),
        (CIPHERTEXT, {"environment": {"KMFLOW_FERNET_KEY": "n0-key"}}, "holds no Fernet key"),
        (CIPHERTEXT, {"environment": {"KMFLOW_FERNET_KEY": OTHER_KEY}}, "does not fit"),
    ],
    ids=range(9),
)
def test_what_cannot_be_resolved_is_named_by_its_reference(text, sources, says):
    said = refusal(text, **sources)
    assert says in said
    assert "n0-key" not in said


def test_a_file_that_is_no_text_shows_nothing_of_itself(tmp_path: Path):
    path = tmp_path / "token"
    path.write_bytes(b"\xff" + VALUE.encode())
    path.chmod(0o600)
    with pytest.raises(CredentialError, match="no UTF-8") as caught:
        resolved(f"file:{path}")
    assert VALUE not in repr(caught.value.__context__.args if caught.value.__cause__ else "")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o602])
def test_a_file_open_to_others_is_refused_in_production(tmp_path: Path, caplog, mode):
    path = tmp_path / "token"
    path.write_text(VALUE)
    path.chmod(mode)

    assert f"chmod 600 {path}" in refusal(f"file:{path}", production=True)
    assert resolved(f"file:{path}") == VALUE
    assert f"chmod 600 {path}" in caplog.text


def test_a_mounted_secret_of_somebody_else_may_reach_us_through_a_group(tmp_path: Path):
    path = tmp_path / "token"
    path.write_text(VALUE)
    path.chmod(0o440)
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, 4711, os.getegid())
    private_files.check_private(path, production=True)
    path.chmod(0o444)
    with pytest.raises(CredentialError):
        private_files.check_private(path, production=True)


def test_a_secret_shows_itself_to_nobody():
    secret = Secret(VALUE)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>9}", f"{[secret]}"]
    shown.append(json.dumps({"token": secret}, default=str))
    assert not [text for text in shown if VALUE in text]
    for leaving in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            leaving(secret)


@pytest.mark.parametrize(
    "text", ["env:T", "file:/t", "secret:a/b", "profile:dev", CIPHERTEXT], ids=range(5)
)
def test_a_reference_is_stored_and_pickled_as_itself(text):
    reference = SecretRef.parse(text)
    assert pickle.loads(pickle.dumps(reference)) == reference  # noqa: S301
    assert SecretRef.parse(str(reference)) == reference
    assert (reference.scheme == "fernet") == (text not in repr(reference))


def test_what_was_resolved_is_redacted_from_then_on():
    value = "only-known-once-it-was-read"
    assert value in redact(value)
    resolved("env:T", environment={"T": value})
    assert redact(f"a {value}") == "a ***"


@pytest.mark.parametrize(
    "text",
    ["", "env:", "dapi0", "vault:x", "secret:no-key", "secret:/k", "fernet:short", "fernet:a b"],
)
def test_what_is_no_reference_is_refused_unseen(text):
    with pytest.raises(CredentialError) as caught:
        SecretRef.parse(text)
    assert not text.partition(":")[2] or text not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_refused(text):
    with suppress(CredentialError):
        reference = SecretRef.parse(text)
        assert SecretRef.parse(str(reference)) == reference
