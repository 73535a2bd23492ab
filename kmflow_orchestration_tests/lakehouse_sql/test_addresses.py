"""URLs of Databricks SQL: the one shape the dialect reads, and what is made of others."""

from __future__ import annotations

import pytest
from databricks.sqlalchemy import DatabricksDialect
from sqlalchemy.engine import make_url

from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.credentials.own_connection import OwnConnection
from kmflow_orchestration.errors import ConfigurationError, InvalidSettings
from kmflow_orchestration.lakehouse_sql.addresses import (
    address_settings,
    group_url,
    http_path_of,
    sql_url,
    warehouse_of,
)
from kmflow_orchestration_tests.embedded_groups import group_config

HOST = "adb-1.7.azuredatabricks.net"
PATH = "/sql/1.0/warehouses/abc123"


def dialect_reads(url) -> dict[str, object]:
    return DatabricksDialect().create_connect_args(url)[1]


@pytest.mark.parametrize("token", ["dapi1", "a/b@c:d%e?f", "ünïcode & blank"])
def test_the_dialect_reads_every_part_and_any_token(token):
    url = sql_url(HOST, PATH, catalog="main", schema="sales", token=Secret(token))
    read = dialect_reads(url)
    assert (read["server_hostname"], read["http_path"]) == (HOST, PATH)
    assert (read["catalog"], read["schema"], read["access_token"]) == ("main", "sales", token)
    again = dialect_reads(make_url(url.render_as_string(hide_password=False)))
    assert again == read


def test_a_groups_url_holds_no_credential(world):
    url = group_url(world.config("acme"))
    assert (url.drivername, url.username, url.password, url.port) == (
        "databricks",
        None,
        None,
        None,
    )
    assert dialect_reads(url)["http_path"] == world.http_path


def test_a_warehouse_id_is_as_good_as_a_path():
    config = group_config("acme", warehouse_id="abc123")
    assert http_path_of(config) == PATH
    assert http_path_of(group_config("acme", warehouse_id="x", http_path=PATH)) == PATH


@pytest.mark.parametrize(
    ("path", "warehouse_id"),
    [
        (PATH, "abc123"),
        ("/sql/1.0/endpoints/abc123", "abc123"),
        ("/sql/protocolv1/o/123/0101-120000-abc123", ""),
    ],
)
def test_a_path_tells_its_warehouse(path, warehouse_id):
    assert warehouse_of(path) == warehouse_id


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("http://127.0.0.1:8080", {"_connection_uri": f"http://127.0.0.1:8080{PATH}"}),
        ("https://127.0.0.1:8443", {"_port": 8443}),
        (f"https://{HOST}", {}),
    ],
)
def test_only_a_local_workspace_goes_without_tls_or_port_443(url, settings, tmp_path):
    config = group_config("acme", workspace_url=url, http_path=PATH, allow_insecure_loopback=True)
    given = address_settings(config, None)
    assert given.pop("enable_telemetry") is False
    assert given.pop("user_agent_entry").startswith("kmflow_orchestration/")
    assert given == settings
    assert address_settings(config, tmp_path)["_tls_trusted_ca_file"] == str(tmp_path)


PASTED = [
    f"databricks://token:dapi1@{HOST}:443{PATH}",
    f"databricks://token:dapi1@{HOST}?http_path={PATH}&catalog=main&schema=sales",
    f"databricks+thrift://token:dapi1@{HOST}{PATH}",
]


def test_a_path_in_the_databases_place_is_one_that_the_dialect_does_not_read():
    """Why no such URL may get through: only the first connection would tell."""
    assert dialect_reads(make_url(PASTED[0]))["http_path"] is None


@pytest.mark.parametrize("text", PASTED)
@pytest.mark.parametrize("variable", ["DATABRICKS_HOST", "DATABRICKS_SERVER_HOSTNAME"])
def test_a_url_in_place_of_the_address_is_refused_without_its_token(text, variable):
    """Strict or not: a URL holds a token, and settings hold references."""
    given = {"DATABRICKS_TOKEN": "dapi-of-the-environment", "DATABRICKS_CATALOG": "main"}
    given |= {variable: text, "DATABRICKS_SCHEMA": "sales", "DATABRICKS_HTTP_PATH": PATH}
    with pytest.raises(ConfigurationError) as from_environment:
        OwnConnection(given).group_settings("acme")
    with pytest.raises(InvalidSettings) as from_settings:
        parse_group("acme", {"workspace_url": text})
    for refused in (from_environment.value, from_settings.value):
        assert refused.exit_code == 3
        assert "is a URL for SQLAlchemy: give its host alone" in str(refused)
        assert "dapi1" not in f"{refused} {refused.__cause__} {refused.hint}"
    assert variable in str(from_environment.value)


@pytest.mark.parametrize("text", PASTED)
def test_a_url_in_place_of_the_path_is_refused_too(text):
    with pytest.raises(InvalidSettings, match=r"http_path: must be /sql") as no:
        parse_group("acme", {"http_path": text})
    assert "dapi1" not in f"{no.value} {no.value.__cause__}"
