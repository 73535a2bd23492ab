"""The tables of group settings: rows saved before a migration stay good."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from kmflow_orchestration.metadata.engine import migrate, newest_revision, open_sessions
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.metadata.revision import is_up_to_date, wanted_revision
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.metadata.test_earlier_revisions import upgrade

BEFORE = """
INSERT INTO databricks_configs (
    id, group_id, version, is_active, is_enabled, workspace_url, warehouse_id, catalog, schema,
    evidence_volume, landing_path, allow_insecure_loopback, volume_enabled, volume_file_format,
    volume_create_date_dirs, knowledge_volume_enabled, knowledge_chunk_size,
    knowledge_chunk_overlap, mlflow_enabled, evaluation_enabled, ai_gateway_enabled,
    created_at, created_by_email, updated_at, updated_by_email
) VALUES (
    1, 'acme', 1, TRUE, TRUE, '', '', 'main', 'acme', 'raw_evidence', '', FALSE, FALSE, 'json',
    TRUE, FALSE, 1000, 200, FALSE, FALSE, FALSE, '2026-01-01', 'ann', '2026-01-01', 'ann'
)
"""


@pytest.fixture
def engine(control_databases, tmp_path):
    """A database without a table."""
    with control_databases.of_a_test():
        yield engine_of(control_databases.unmigrated(tmp_path / "control.db"))


def test_settings_saved_before_the_new_fields_mean_what_they_meant(engine, clock):
    upgrade(engine, "0004")
    with engine.begin() as connection:
        connection.execute(text(BEFORE))
    migrate(engine)

    config = GroupConfigs(open_sessions(engine), clock).active(GroupId("acme"))
    assert (config.sql_pool_size, config.volume_verify, config.allowed_catalogs) == (5, "size", ())
    assert (config.profile, config.client_secret, config.max_file_size_mb) == ("", None, 100)


def test_the_newest_revision_is_known_without_the_tool_that_makes_it():
    assert wanted_revision() == newest_revision()


def test_only_a_migrated_database_is_up_to_date(engine):
    assert not is_up_to_date(engine)
    upgrade(engine, "0004")
    assert not is_up_to_date(engine)
    migrate(engine)
    assert is_up_to_date(engine)
