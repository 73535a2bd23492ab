"""URLs of Databricks SQL: the one shape the dialect reads, and what is made of others."""

from __future__ import annotations

import pytest
from databricks.sqlalchemy import DatabricksDialect

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.lakehouse_sql.addresses import (
    address_settings,
    given_url,
    group_url,
    http_path_of,
    sql_url,
    warehouse_of,
)
from kmflow_orchestration_tests.embedded_groups import group_config

HOST = "adb-1.7.azuredatabricks.net"
PATH = "/sql/1.0/warehouses/abc123"
PLACE = "catalog=main&schema=sales"
WELL_SHAPED = f"databricks://token:dapi1@{HOST}?http_path={PATH}&{PLACE}"


def dialect_reads(url) -> dict[str, object]:
    return DatabricksDialect().create_connect_args(url)[1]


@pytest.mark.parametrize("token", ["dapi1", "a/b@c:d%e?f", "ünïcode & blank"])
def test_the_dialect_reads_every_part_and_any_token(token):
    url = sql_url(HOST, PATH, catalog="main", schema="sales", token=Secret(token))
    read = dialect_reads(url)
    assert (read["server_hostname"], read["http_path"]) == (HOST, PATH)
    assert (read["catalog"], read["schema"], read["access_token"]) == ("main", "sales", token)
    again = dialect_reads(given_url(url.render_as_string(hide_password=False), strict=True))
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


@pytest.mark.parametrize(
    "text",
    [
        f"databricks://token:dapi1@{HOST}:443{PATH}?{PLACE}",
        f"databricks://token:dapi1@{HOST}{PATH}?{PLACE}",
        f"databricks://token:dapi1@{HOST}:443?http_path={PATH}&{PLACE}",
    ],
    ids=["path and port", "path", "port"],
)
def test_a_path_in_the_databases_place_is_put_right_with_a_warning(text, caplog):
    assert dialect_reads(given_url(text, strict=False)) == dialect_reads(
        given_url(WELL_SHAPED, strict=True)
    )
    assert "wrong place" in caplog.text
    assert "dapi1" not in caplog.text
    with pytest.raises(ConfigurationError) as refused:
        given_url(text, strict=True)
    assert refused.value.exit_code == 3
    assert "dapi1" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "no url at all dapi1",
        f"databricks+thrift://token:dapi1@{HOST}?http_path={PATH}&{PLACE}",
        f"postgresql://token:dapi1@{HOST}/main",
        f"databricks://token:dapi1@{HOST}?{PLACE}",
        f"databricks://token:dapi1@{HOST}?http_path=abc123&{PLACE}",
        f"databricks://token:dapi1@{HOST}?http_path={PATH}&catalog=main",
        f"databricks://token:dapi1@?http_path={PATH}&{PLACE}",
        f"databricks://token:dapi1@{HOST}?http_path=https://{HOST}{PATH}&{PLACE}",
    ],
)
def test_what_cannot_be_put_right_is_refused_without_its_token(text):
    with pytest.raises(ConfigurationError) as refused:
        given_url(text, strict=False)
    assert "dapi1" not in f"{refused.value} {refused.value.__cause__} {refused.value.hint}"
