"""Row D7: a notebook signs in as the user it runs for (runtime), in its own workspace only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import CredentialError
from kmflow_orchestration_tests.databricks_client.signing_in import SigningIn
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.fakes import FakeClock

NAMESPACE = """
class UserNamespaceInitializer:
    @staticmethod
    def getOrCreate():
        return UserNamespaceInitializer()
    def get_namespace_globals(self):
        return {"dbutils": object()}
"""
PROVIDER = """
import os
def init_runtime_native_auth():
    def headers():
        return {"Authorization": "Bearer " + os.environ["NOTEBOOK_TOKEN"]}
    return os.environ["NOTEBOOK_HOST"], headers
"""


@pytest.fixture
def acme(room: Room, clock: FakeClock) -> Iterator[SigningIn]:
    opened = SigningIn(room, clock)
    yield opened
    opened.close()


@pytest.fixture
def notebook(
    acme: SigningIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """What a cluster puts beside a notebook: the version, and a module with its sign-in."""
    package = tmp_path / "cluster" / "dbruntime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(NAMESPACE)
    (package / "sdk_credential_provider.py").write_text(PROVIDER)
    monkeypatch.syspath_prepend(str(package.parent))
    for module in ("databricks.sdk.runtime", "dbruntime", "dbruntime.sdk_credential_provider"):
        monkeypatch.delitem(sys.modules, module, raising=False)

    def begin(host: str) -> None:
        monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "15.4")
        monkeypatch.setenv("NOTEBOOK_HOST", host)
        monkeypatch.setenv("NOTEBOOK_TOKEN", acme.acme.token)

    return begin


def test_a_notebook_signs_in_as_its_user(
    acme: SigningIn, notebook: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook(acme.room.url)
    calls = acme.connect(acme.config(auth_type="runtime"))
    assert acme.use(calls) == "acme-service"
    assert calls.sign_in.kind == "runtime"

    state, caller = acme.room.server.state, acme.acme.caller
    state.create_principal(caller.workspace_id, caller.principal, token="the-next-token-9e107d")
    state.revoke_token(acme.acme.token)
    monkeypatch.setenv("NOTEBOOK_TOKEN", "the-next-token-9e107d")
    assert acme.use(calls) == "acme-service"


def test_a_notebooks_token_is_sent_to_no_other_workspace(
    acme: SigningIn, notebook: Callable[[str], None]
) -> None:
    notebook("https://adb-1.7.azuredatabricks.net")

    with pytest.raises(CredentialError, match=r"signs in to adb-1\.7\.azuredatabricks") as refused:
        current_principal(acme.connect(acme.config(auth_type="runtime")))
    assert refused.value.exit_code == 3
    assert not acme.room.server.has_seen(acme.acme.token)


def test_outside_a_notebook_there_is_no_runtime_to_sign_in_with(acme: SigningIn) -> None:
    with pytest.raises(CredentialError, match="runtime: the SDK cannot sign in"):
        acme.connect(acme.config(auth_type="runtime"))
