"""A control database of its own, and callers of two groups."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kmflow_orchestration.access.caller import Caller, caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.metadata.api_tokens import ApiTokens
from kmflow_orchestration.metadata.config_audit import ConfigAudit
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration_tests.control_databases import engine_of

REMOTE_ADMIN = "admin@acme.test"
ANN, BOB = "ann@kmflow.test", "bob@kmflow.test"


@pytest.fixture
def engine(tmp_path, control_database):
    return engine_of(control_database(tmp_path / "control.db"))


@pytest.fixture
def configs(engine, clock) -> GroupConfigs:
    return GroupConfigs(open_sessions(engine), clock)


@pytest.fixture
def audit(engine, clock) -> ConfigAudit:
    return ConfigAudit(open_sessions(engine), clock)


@pytest.fixture
def tokens(engine, clock) -> ApiTokens:
    return ApiTokens(open_sessions(engine), clock)


@pytest.fixture
def ann() -> Caller:
    """Admin of acme, at the machine's own shell."""
    return replace(caller_of(ANN, ("acme",), Role.ADMIN), is_operator=True)


@pytest.fixture
def remote() -> Caller:
    """Admin of acme, by an API token or a login."""
    return caller_of(REMOTE_ADMIN, ("acme",), Role.ADMIN)


@pytest.fixture
def bob() -> Caller:
    """Admin of globex."""
    return caller_of(BOB, ("globex",), Role.ADMIN)
