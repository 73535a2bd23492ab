"""Row A19: every change of settings leaves a record, and no record is ever changed."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, event, text, update
from sqlalchemy.exc import DBAPIError

from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.errors import AppendOnly, ConfigurationError, StateConflict
from kmflow_orchestration.metadata.audit_tables import ConfigAuditRow
from kmflow_orchestration.metadata.config_audit import AuditAction, ConfigAudit, Deed
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.control_databases import engine_of

ACME, GLOBEX = GroupId("acme"), GroupId("globex")
ANN, BOB = "ann@kmflow.test", "bob@kmflow.test"


@pytest.fixture
def engine(tmp_path, control_database):
    return engine_of(control_database(tmp_path / "control.db"))


@pytest.fixture
def configs(engine, clock):
    return GroupConfigs(open_sessions(engine), clock)


@pytest.fixture
def audit(engine, clock):
    return ConfigAudit(open_sessions(engine), clock)


def save(configs, group=ACME, author=ANN, **values):
    expected = values.pop("expected_version", None)
    return configs.save(group, parse_group(group, values), author, expected_version=expected)


def test_each_change_is_named_with_author_and_time(configs, audit, clock):
    save(configs, token="env:ACME_TOKEN")
    clock.advance(1)
    save(configs, author=BOB, catalog="other")
    configs.disable(ACME, ANN)
    save(configs)

    deeds = [entry.deed for entry in audit.entries(ACME)]
    assert [deed.action for deed in deeds] == ["update", "disable", "update", "create"]
    assert [deed.actor_email for deed in deeds] == [ANN, ANN, BOB, ANN]
    assert audit.entries(ACME)[2].at == clock.now()


def test_a_record_shows_before_and_after_and_where_a_secret_is_kept(configs, audit):
    save(configs, token="env:ACME_TOKEN")
    save(configs, catalog="other")
    after, before = (entry.deed for entry in audit.entries(ACME))
    assert before.before is None
    assert (after.before["token"], after.after["token"]) == ("set (env:ACME_TOKEN)", "not set")
    assert (after.before["catalog"], after.after["catalog"]) == ("main", "other")


def test_a_refused_save_is_in_the_trail_too(configs, audit):
    save(configs)
    with pytest.raises(StateConflict):
        save(configs, author=BOB, catalog="other", expected_version=7)

    refused = audit.entries(ACME)[0].deed
    assert (refused.actor_email, refused.error_code) == (BOB, "KM-CONFIG-007")
    assert refused.after["catalog"] == "other"
    assert configs.active(ACME).catalog == "main"


def test_an_overlap_is_noted_under_the_group_that_tried(configs, audit):
    save(configs, landing_path="/data")
    with pytest.raises(ConfigurationError):
        save(configs, GLOBEX, landing_path="/data/in")
    assert [entry.deed.error_code for entry in audit.entries(GLOBEX)] == ["KM-CONFIG-008"]
    assert len(audit.entries(ACME)) == 1


def test_settings_and_their_record_are_written_together_or_not_at_all(configs, audit, engine):
    def fail(*args):
        if "INSERT INTO config_audit" in args[2]:
            raise ConfigurationError("no room")

    event.listen(engine, "before_cursor_execute", fail)
    with pytest.raises(ConfigurationError):
        save(configs)
    event.remove(engine, "before_cursor_execute", fail)
    assert configs.find(ACME) is None
    assert audit.entries(ACME) == []


def test_a_record_is_neither_changed_nor_removed_as_an_object(configs, engine):
    save(configs)
    sessions = open_sessions(engine)
    with pytest.raises(AppendOnly), sessions.begin() as session:
        session.get_one(ConfigAuditRow, 1).actor_email = BOB
    with pytest.raises(AppendOnly), sessions.begin() as session:
        session.delete(session.get_one(ConfigAuditRow, 1))


@pytest.mark.parametrize(
    "statement",
    [
        update(ConfigAuditRow).where(ConfigAuditRow.group_id == ACME).values(actor_email=BOB),
        delete(ConfigAuditRow).where(ConfigAuditRow.group_id == ACME),
        text("UPDATE config_audit SET actor_email = 'bob'"),
        text("DELETE FROM config_audit"),
        text(
            "INSERT INTO config_audit SELECT * FROM config_audit WHERE TRUE"
            " ON CONFLICT (id) DO UPDATE SET actor_email = 'bob'"
        ),
        pytest.param(
            text("INSERT OR REPLACE INTO config_audit SELECT * FROM config_audit"),
            marks=pytest.mark.sqlite,
        ),
    ],
    ids=str,
)
def test_the_database_itself_refuses_to_change_a_record(configs, engine, audit, statement):
    save(configs)
    was = audit.entries(ACME)
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(statement)
    assert audit.entries(ACME) == was


def test_not_even_all_records_at_once_can_be_removed(configs, engine, audit, postgres_server):
    save(configs)
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text("TRUNCATE config_audit"))
    assert len(audit.entries(ACME)) == 1


def test_deeds_of_others_can_be_noted(audit, clock):
    deed = Deed(
        action=AuditAction.UPLOAD, actor_email=ANN, before={"sha256": "a"}, after={"sha256": "b"}
    )
    audit.note(ACME, deed)
    (entry,) = audit.entries(ACME)
    assert (entry.deed, entry.at, entry.group_id) == (deed, clock.now(), ACME)
    assert audit.entries(GLOBEX) == []
