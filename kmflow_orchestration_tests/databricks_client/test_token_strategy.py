"""A group's credentials in dagster-databricks' own client resource."""

from __future__ import annotations

import pytest
from dagster_databricks import DatabricksClientResource

from kmflow_orchestration.databricks_client.token_strategy import token_strategy
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom, group_config


@pytest.fixture
def groups(room, monkeypatch):
    found = GroupsInRoom(room)
    found.config("acme")
    monkeypatch.setenv("TOKEN_acme", found.environment["TOKEN_acme"])
    yield found
    found.close()


def test_their_client_is_the_groups_principal(groups):
    config = groups.config("acme")
    resource = DatabricksClientResource(
        host=config.workspace_url, credentials_strategy=token_strategy(config)
    )

    me = resource.get_client().workspace_client.current_user.me()

    assert me.user_name == "acme-service"


def test_the_resource_shows_no_token(groups):
    config = groups.config("acme")
    resource = DatabricksClientResource(
        host=config.workspace_url, credentials_strategy=token_strategy(config)
    )

    assert groups.environment["TOKEN_acme"] not in repr(resource) + str(vars(resource))


def test_a_group_without_a_workspace_is_told_what_it_lacks():
    with pytest.raises(ConfigurationError, match="workspace_url, token"):
        token_strategy(group_config("acme"))
