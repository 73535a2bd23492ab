"""What leads to secrets and files of this machine is its operator's to set, and nobody else's."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import kmflow_orchestration
from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.cli.shell_user import operator
from kmflow_orchestration.config.group_config import SECRET_FIELDS
from kmflow_orchestration.config.group_input import FIELD_NAMES, InputRules
from kmflow_orchestration.errors import (
    ConfigurationError,
    GroupRefused,
    OperatorOnly,
    SettingsConflict,
)
from kmflow_orchestration.operations.group_settings import (
    change_settings,
    create_group,
    planned_change,
    save_settings,
)
from kmflow_orchestration.operations.operator_settings import OPERATOR_ONLY
from kmflow_orchestration_tests.operations.groups.conftest import REMOTE_ADMIN

SOURCE = Path(kmflow_orchestration.__file__).parent
SIGNED_IN = {
    "workspace_url": "https://adb-1.7.azuredatabricks.net",
    "warehouse_id": "w1",
    "catalog": "main",
    "schema": "acme",
    "token": "env:ACME_TOKEN",
    "landing_path": "/srv/landing/acme",
    "volume_file_format": "csv",
}
# Each of them leads somewhere else than what the operator set.
ELSEWHERE = {
    "a file of another group": {"token": "file:/run/secrets/globex"},
    "a variable of another group": {"token": "env:GLOBEX_TOKEN"},
    "a key of another group's scope": {"token": "secret:globex/token"},
    "another group's profile": {"token": "profile:globex"},
    "another group's ciphertext": {"token": f"fernet:{'g' * 80}"},
    "another group's client": {"client_id": "c-1", "client_secret": "file:/run/secrets/globex"},
    "no token any more": {"token": None},
    "a profile by its name": {"profile": "globex"},
    "a profile file": {"config_file": "/home/operator/.databrickscfg"},
    "the operator's own login": {"auth_type": "databricks-cli"},
    "another host for the same token": {"workspace_url": "https://adb-2.7.azuredatabricks.net"},
    "a local listener": {"workspace_url": "http://127.0.0.1:1", "allow_insecure_loopback": True},
    "a folder of secrets as landing folder": {"landing_path": "/run/secrets"},
}


WAYS = {
    "change": change_settings,
    "plan": planned_change,
    "replace": lambda group, values, **rest: save_settings(group, {**SIGNED_IN, **values}, **rest),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_groups_admin_cannot_lead_it_elsewhere(configs, audit, ann, remote, way):
    before = create_group("acme", SIGNED_IN, caller=ann, configs=configs).config

    for values in ELSEWHERE.values():
        with pytest.raises(OperatorOnly, match=", ".join(sorted(values))) as refusal:
            WAYS[way]("acme", values, caller=remote, configs=configs)
        assert refusal.value.exit_code == 4
        deed = audit.entries("acme", limit=1)[0].deed
        assert (deed.actor_email, deed.error_code) == (REMOTE_ADMIN, "KM-CALLER-005")
        texts = [value for value in values.values() if isinstance(value, str)]
        assert not [text for text in texts if text in f"{refusal.value} {deed!r}"]
    assert configs.active("acme") == before


def test_nor_make_a_group_that_leads_there(configs, remote):
    for values in ELSEWHERE.values():
        if values == {"token": None}:
            continue  # what a new group has anyway
        given = {"catalog": "main", "schema": "acme", "warehouse_id": "w1", **values}
        with pytest.raises(OperatorOnly):
            create_group("acme", given, caller=remote, configs=configs)
    assert configs.find("acme") is None
    assert create_group("acme", {}, caller=remote, configs=configs).saved


def test_the_operator_can(configs, ann):
    for values in ELSEWHERE.values():
        save_settings("acme", SIGNED_IN, caller=ann, configs=configs)
        changed = change_settings("acme", values, caller=ann, configs=configs)
        assert set(changed.changed) == {*values}


def test_everything_else_is_the_admins(configs, ann, remote):
    create_group("acme", SIGNED_IN, caller=ann, configs=configs)
    own = {"catalog": "other", "volume_file_format": "parquet", "sql_pool_size": 3}
    changed = change_settings("acme", own, caller=remote, configs=configs)
    assert changed.changed == ("catalog", "sql_pool_size", "volume_file_format")
    assert str(changed.config.token) == "env:ACME_TOKEN"


def test_what_is_sent_back_as_it_is_is_no_change(configs, ann, remote):
    create_group("acme", SIGNED_IN, caller=ann, configs=configs)
    same = {"workspace_url": "HTTPS://adb-1.7.azuredatabricks.net/", "token": "env:ACME_TOKEN"}
    assert not change_settings("acme", same, caller=remote, configs=configs).saved


def test_replacing_settings_keeps_how_the_group_signs_in(configs, ann, remote):
    private = {**SIGNED_IN, "workspace_url": "https://dbx.corp.test"}
    rules = InputRules(allowed_hosts=("dbx.corp.test",))
    create_group("acme", private, caller=ann, configs=configs, rules=rules)
    own = {"warehouse_id": "w2", "catalog": "main", "schema": "acme"}
    saved = save_settings("acme", own, caller=remote, configs=configs)
    assert saved.changed == ("warehouse_id", "volume_file_format")
    assert saved.config.host == "dbx.corp.test"


def test_a_replacement_does_not_undo_what_the_operator_changed_meanwhile(configs, ann, remote):
    """The operator's save comes after the admin's read, and before the admin's save."""
    create_group("acme", SIGNED_IN, caller=ann, configs=configs)
    own = {"warehouse_id": "w2", "catalog": "main", "schema": "acme"}
    slow = _Slow(configs, lambda: change_settings("acme", MOVED, caller=ann, configs=configs))
    with pytest.raises(SettingsConflict):
        save_settings("acme", own, caller=remote, configs=slow)
    assert str(configs.active("acme").token) == MOVED["token"]


MOVED = {"token": "file:/run/secrets/acme"}


class _Slow:
    """Settings between whose reading and saving something else happens."""

    def __init__(self, configs, meanwhile):
        self._configs = configs
        self._meanwhile = meanwhile

    def find(self, group):
        return self._configs.find(group)

    def save(self, *arguments, **options):
        self._meanwhile()
        return self._configs.save(*arguments, **options)


def test_a_pasted_secret_is_told_to_be_one(configs, ann, remote):
    create_group("acme", SIGNED_IN, caller=ann, configs=configs)
    with pytest.raises(ConfigurationError, match="token: must be a reference") as refusal:
        change_settings("acme", {"token": "dapi-canary-1"}, caller=remote, configs=configs)
    assert "canary" not in str(refusal.value)


def test_authentication_makes_no_operator_and_the_shell_does():
    assert not caller_of("admin@acme.test", ("acme",), Role.ADMIN).is_operator
    assert operator("acme").is_operator
    made = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if re.search(r"is_operator\s*=\s*True", path.read_text(encoding="utf-8"))
    ]
    assert made == ["cli/shell_user.py"]


def test_nothing_served_saves_settings_past_the_rule():
    """Files and demos are the operator's; a route must go through `group_settings`."""
    past = re.compile(r"group_configuration|peer_import|configs\.(save|disable)\(|shell_user")
    served = list((SOURCE / "service").rglob("*.py"))
    assert served
    assert [path.name for path in served if past.search(path.read_text(encoding="utf-8"))] == []


ADMINS_TOO = {
    *("enabled", "warehouse_id", "http_path", "catalog", "schema", "evidence_volume"),
    *(name for name in FIELD_NAMES if name.startswith(("sql_", "volume_", "knowledge_"))),
    *(name for name in FIELD_NAMES if name.startswith(("mlflow_", "evaluation_", "ai_gateway_"))),
    *("warehouse_start_timeout_s", "max_file_size_mb", "on_upload_error", "allowed_catalogs"),
}


def test_every_setting_is_decided_on():
    """A new setting turns this red until somebody has said whose it is."""
    assert {*SECRET_FIELDS} <= OPERATOR_ONLY
    assert not OPERATOR_ONLY & ADMINS_TOO
    assert {*FIELD_NAMES} == OPERATOR_ONLY | ADMINS_TOO


def test_an_operator_is_still_no_admin_of_other_groups(configs, bob):
    with pytest.raises(GroupRefused):
        create_group("acme", {}, caller=replace(bob, is_operator=True), configs=configs)
