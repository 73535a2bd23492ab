"""Eighteen ways to fail with a secret in hand; each makes sure that it really happened."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.cli.shell_user import operator
from kmflow_orchestration.operations.token_administration import create_token, revoke_token
from kmflow_orchestration.partitions.keys import table_group_key
from kmflow_orchestration.resources.asset_keys import PROFILE_RUN
from kmflow_orchestration.workspace.faults import Fault, RunEnd
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.canary.scene import ACME, SECRETS, Scene

TABLE_GROUP = "p2p"
PUT = "/api/2.0/fs/files/*"


def wrong_token(scene: Scene) -> None:
    with scene.settings(token=scene.secret_file("wrong", SECRETS["wrong"])):
        assert scene.check() == 4


def expired_token(scene: Scene) -> None:
    limits, token = scene.workspace.services.token_limits, SECRETS["acme.token"]
    limits.set(token, expires_at=datetime.now(UTC) - timedelta(hours=1))
    assert scene.check() == 4
    limits.set(token)


def forbidden_volume(scene: Scene) -> None:
    with scene.fault("PUT", PUT, status=403, error_code="PERMISSION_DENIED"):
        scene.drop("forbidden.csv", "a,b\n1,2\n")
        assert scene.workspace.requests("PUT").count(status=403)


def host_of_another_profile(scene: Scene) -> None:
    """Its token must not go to acme's host, nor to anybody's eyes."""
    host, token = "https://adb-1.azuredatabricks.net", SECRETS["elsewhere"]
    profiles = scene.secret_file("profiles", f"[other]\nhost = {host}\ntoken = {token}\n")
    path = profiles.removeprefix("file:")
    with scene.settings(token="", profile="other", config_file=path):
        assert scene.check() == 3


def refused_client(scene: Scene) -> None:
    wrong = scene.secret_file("client", SECRETS["client"])
    with scene.settings(client_id="nobody", client_secret=wrong, auth_type="oauth-m2m"):
        assert scene.check() == 4


def certificate_of_nobody(scene: Scene) -> None:
    place = scene.sandbox.home.root / "untrusted"
    with EmbeddedWorkspace(place, tls=True) as other, scene.settings(workspace_url=other.url):
        assert scene.check() == 5


def statement_quoted(scene: Scene) -> None:
    assert "nowhere" in scene.run_own("quoting")


def refused_upload(scene: Scene) -> None:
    with scene.fault("PUT", PUT, status=403, error_code="PERMISSION_DENIED"):
        assert "refused: Authorization: ***" in scene.run_own("unsent")
    assert scene.kmflow("output", "list", "--group", ACME) == 0


def refused_callbacks(scene: Scene) -> None:
    """Somebody sends the very key, a workspace token, and nothing at all."""
    (run, *_) = scene.sandbox.context.profile_runs.latest(ACME)
    url = scene.sandbox.context.callback.url(run)
    key, token = SECRETS["callback.key"], SECRETS["acme.token"]
    sent = (f"Bearer {key}", f"Bearer v1.9999999999.{token}", f"Basic {token}", "")
    answers = [httpx.post(url, json={}, headers={"Authorization": one}) for one in sent]
    scene.said += [answer.text for answer in answers]
    assert [answer.status_code for answer in answers] == [401] * len(sent)


def failed_job(scene: Scene) -> None:
    """The platform tells of the job's end in the job's own words."""
    told = f"Py4JError: token={SECRETS['acme.token']}, {SECRETS['acme.token']}"
    scene.workspace.faults.add(Fault("run_ends", run_end=RunEnd(message=told)))
    scene.daemon.materialize([PROFILE_RUN], str(table_group_key(ACME, TABLE_GROUP)))

    def is_over() -> bool:
        scene.daemon.tick("profile_completion")
        return not scene.sandbox.context.profile_runs.outstanding(ACME, TABLE_GROUP)

    scene.wait(is_over)
    (run, *_) = scene.sandbox.context.profile_runs.latest(ACME)
    scene.said.append(f"{run.status}: {run.error_message}")


def pasted_into_settings(scene: Scene) -> None:
    """Somebody keeps the secret itself where a setting or a reference is asked for."""
    pasted = SECRETS["pasted"]
    for word in (f"token={pasted}", f"catalog={pasted} x", f"{pasted}=1", pasted):
        assert scene.kmflow("group", "set", ACME, word) in {2, 3}
    assert scene.kmflow("group", "set", ACME, f"--{pasted}") == 2
    assert scene.kmflow("group", "check", pasted) == 3
    file = Path(scene.secret_file("groups.yaml", f"groups:\n  acme: {{token: '{pasted}\n")[5:])
    assert scene.kmflow("group", "import", str(file)) == 3


def pasted_into_the_environment(scene: Scene) -> None:
    program = (
        "import os\n"
        f"os.environ['KMFLOW_ENV'] = {SECRETS['pasted']!r}\n"
        "from kmflow_orchestration.definitions import defs\n"
        "defs.load_fn() if hasattr(defs, 'load_fn') else defs()\n"
    )
    scene.python(program)


def unreadable_reference(scene: Scene) -> None:
    broken = scene.secret_file("unreadable", SECRETS["unreadable"].encode() + b"\xff")
    for reference in (broken, "file:/nowhere/at/all"):
        with scene.settings(token=reference):
            assert scene.check() == 3


def crash_in_a_step(scene: Scene) -> None:
    assert "crash" in scene.run_own("crashing")


def telling_metadata(scene: Scene) -> None:
    """No failure at all: metadata that hold a secret."""
    scene.run_own("telling")


CRASH = """
import threading
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.names import GroupId
context = Context(load_settings())
secret = context.group(GroupId("acme")).config.token.resolve().reveal()
def crash():
    raise RuntimeError(f"crashed with {secret}")
thread = threading.Thread(target=crash)
thread.start()
thread.join()
crash()
"""


def crash_of_a_process(scene: Scene) -> None:
    assert "crashed with ***" in scene.python(CRASH)


def revoked_api_token(scene: Scene) -> None:
    """An API token is shown once; after that nobody tells it back, good or not."""
    context = scene.sandbox.context
    parts = {"tokens": context.api_tokens, "caller": operator(ACME)}
    new = create_token(
        ACME, Role.VIEWER, configs=context.group_configs, clock=context.clock, **parts
    )
    revoke_token(ACME, new.token.token_id, **parts)
    token = new.secret.reveal()
    SECRETS["api"] = token
    url = f"{context.settings.callback_base_url}/api/v1/me?token={token}"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"})
    lost = httpx.get(f"{context.settings.callback_base_url}/api/v1/{token}")
    scene.said += [answer.text, lost.text]
    assert (answer.status_code, lost.status_code) == (401, 404)


def lost_workspace(scene: Scene) -> None:
    """The last of all: nothing listens at the workspace's address any more."""
    scene.workspace.stop()
    assert scene.check() == 5
    with contextlib.suppress(Exception):
        scene.run_own("quoting")


FAILURES: tuple[Callable[[Scene], None], ...] = (
    wrong_token,
    expired_token,
    forbidden_volume,
    host_of_another_profile,
    refused_client,
    certificate_of_nobody,
    statement_quoted,
    refused_upload,
    refused_callbacks,
    failed_job,
    pasted_into_settings,
    pasted_into_the_environment,
    unreadable_reference,
    crash_in_a_step,
    telling_metadata,
    crash_of_a_process,
    revoked_api_token,
    lost_workspace,
)
"""In this order: the last one cannot be undone."""
