"""Who may complete a run, over real HTTP: each sentence of row E27."""

from __future__ import annotations

import json
import re

import pytest
import sqlalchemy as sa

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.profiling.body_signature import SIGNATURE_HEADER, body_signature
from kmflow_orchestration.profiling.completion import post_completion
from kmflow_orchestration.runs.callback_tokens import CallbackKeys
from kmflow_orchestration.runs.callbacks import CallbackSettings
from kmflow_orchestration_tests.runs.profile_world import KEY
from kmflow_orchestration_tests.service.test_completion_endpoint import BODY

NEW = "n" * 40
CONTENT = json.dumps(BODY).encode()
MAC = "A" * 43


def keys_of(*texts: str, **changes: bool) -> CallbackKeys:
    return CallbackKeys.of(Secret("\n".join(texts)), **changes)


@pytest.fixture
def strict(serve):
    """A service that takes signed bodies only."""
    return serve(keys_of(KEY, signature_required=True))


def signed(caller, run, content: bytes = CONTENT) -> dict[str, str]:
    token = caller.settings.token(run).reveal()
    return {**caller.headers(run), SIGNATURE_HEADER: body_signature(token, content)}


def test_a_token_has_three_parts_and_names_its_expiry(caller, world):
    run = world.submit()

    version, expiry, mac = caller.settings.token(run).reveal().split(".")

    assert (version, int(expiry)) == ("v1", int(run.deadline_at.timestamp()) + 3600)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", mac)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        f"Basic v1.9999999999.{MAC}",
        f"v1.9999999999.{MAC}",
        "Bearer v1.9999999999",
        "Bearer v1.9999999999.",
        "Bearer v1.9999999999.short",
        f"Bearer v1.9999999999.{MAC}A",
        f"Bearer v1.9999999999.{MAC}.{MAC}",
        f"Bearer v2.9999999999.{MAC}",
        f"Bearer v1..{MAC}",
        f"Bearer v1.-1.{MAC}",
        f"Bearer v1.1e9.{MAC}",
        f"Bearer v1.9999999999999.{MAC}",
        "Bearer dapi0123456789abcdef",
    ],
)
def test_what_is_no_token_of_ours_is_answered_401_with_the_scheme_that_is_wanted(
    caller, world, header
):
    run = world.submit()

    answer = caller.post(run, BODY, headers={} if header is None else {"Authorization": header})

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["error"] == "KM-PROFILE-004"
    assert world.read(run) == run


@pytest.mark.parametrize("change", ["expiry", "mac"])
def test_a_token_that_was_tampered_with_is_no_runs(caller, world, change):
    run = world.submit()
    version, expiry, mac = caller.settings.token(run).reveal().split(".")
    forged = {
        "expiry": f"{version}.{int(expiry) + 1}.{mac}",
        "mac": f"{version}.{expiry}.{MAC}",
    }

    answer = caller.post(run, BODY, headers={"Authorization": f"Bearer {forged[change]}"})

    assert answer.status_code == 403
    assert world.read(run) == run


def test_both_keys_are_good_while_a_key_is_replaced_and_the_old_one_not_afterwards(serve, world):
    run = world.submit()
    old, new = (
        {"Authorization": f"Bearer {CallbackSettings('https://x', keys).token(run).reveal()}"}
        for keys in (keys_of(KEY), keys_of(NEW, KEY))
    )

    during = serve(keys_of(NEW, KEY))
    told = [during.post(run, BODY, headers=headers).status_code for headers in (old, new)]
    after = serve(keys_of(NEW))
    later = [after.post(run, BODY, headers=headers).status_code for headers in (old, new)]

    assert (told, later) == ([204, 204], [403, 204])


def test_a_replayed_request_changes_nothing_and_after_its_expiry_is_refused(caller, world):
    run = world.submit()
    headers = caller.headers(run)
    assert caller.post(run, BODY, headers=headers).headers["x-kmflow-applied"] == "true"
    ended = world.read(run)

    assert caller.post(run, BODY, headers=headers).headers["x-kmflow-applied"] == "false"
    world.clock.advance(3 * 3600 + 1)
    assert caller.post(run, BODY, headers=headers).status_code == 401

    assert world.read(run).completed_at == ended.completed_at
    assert len(world.runs.events(run.group_id, run.profile_run_id)) == 2


def test_a_request_replayed_at_another_run_changes_nothing(strict, world):
    first = world.submit(1)
    headers = signed(strict, first)
    assert strict.post(first, content=CONTENT, headers=headers).status_code == 204
    second = world.submit(2)

    assert strict.post(second, content=CONTENT, headers=headers).status_code == 403

    assert world.read(second) == second


def test_nothing_is_read_or_looked_up_for_a_caller_without_a_token(caller, world):
    run = world.submit()
    endless = (b" " * 1024 * 1024 for _ in range(17))
    with world.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE dq_profiles RENAME TO elsewhere"))
    stranger = {"Authorization": f"Bearer v1.9999999999.{MAC}"}

    assert caller.post(run, content=endless, headers={}).status_code == 401
    assert caller.post(run, content=b"no completion", headers=stranger).status_code == 403
    assert caller.post(run, BODY).status_code == 503


@pytest.mark.parametrize("required", [False, True])
def test_a_body_that_is_signed_rightly_is_taken(serve, world, required):
    caller, run = serve(keys_of(KEY, signature_required=required)), world.submit()

    answer = caller.post(run, content=CONTENT, headers=signed(caller, run))

    assert (answer.status_code, answer.headers["x-kmflow-applied"]) == (204, "true")


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize(
    "signature", ["", "sha256=", "sha256=00", "md5=" + "0" * 32, "sha512=" + "0" * 64, "\xe4"]
)
def test_a_signature_that_is_sent_must_be_right_whether_required_or_not(
    serve, world, required, signature
):
    caller, run = serve(keys_of(KEY, signature_required=required)), world.submit()
    headers = {**caller.headers(run), SIGNATURE_HEADER: signature.encode("latin-1")}

    answer = caller.post(run, content=CONTENT, headers=headers)

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert world.read(run) == run


def test_a_body_that_was_changed_on_its_way_does_not_fit_its_signature(strict, world):
    run = world.submit()

    answer = strict.post(run, content=CONTENT + b" ", headers=signed(strict, run))

    assert answer.status_code == 401
    assert world.read(run) == run


def test_a_signature_made_with_another_runs_token_does_not_fit(strict, world):
    other = world.submit(1)
    world.complete(other)
    run = world.submit(2)
    headers = {**strict.headers(run), SIGNATURE_HEADER: signed(strict, other)[SIGNATURE_HEADER]}

    assert strict.post(run, content=CONTENT, headers=headers).status_code == 401


def test_where_signatures_are_required_a_body_without_one_is_refused(strict, world):
    run = world.submit()

    answer = strict.post(run, BODY)

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["detail"] == "the body must be signed"
    assert world.read(run) == run


def test_our_own_jobs_sign_what_they_report(strict, world):
    run = world.submit()

    taken = post_completion(
        BODY,
        url=strict.settings.url(run),
        token=strict.settings.token(run).reveal(),
        idempotency_key=f"{run.profile_run_id}:1",
        clock=world.clock,
    )

    assert taken
    assert world.read(run).status == "completed"


@pytest.mark.parametrize(("setting", "required"), [({}, False), ({"required": "true"}, True)])
def test_the_process_settings_say_whether_signatures_are_required(tmp_path, setting, required):
    (tmp_path / "callback.key").write_text(KEY, encoding="ascii")
    (tmp_path / "callback.key").chmod(0o600)
    settings = load_settings(
        home=str(tmp_path),
        callback_key=f"file:{tmp_path / 'callback.key'}",
        **{f"callback_signature_{name}": value for name, value in setting.items()},
    )

    with Context(settings) as context:
        assert context.callback.keys.signature_required is required
