"""Where a group's Databricks SQL is: SQLAlchemy's URL, and what goes beside it (rows C10, C11)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import URL

from kmflow_orchestration import __version__
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.databricks_client.connect import check_connection
from kmflow_orchestration.databricks_client.proxies import check_drivers_way
from kmflow_orchestration.errors import ConfigurationError

logger = logging.getLogger(__name__)
DIALECT = "databricks"
_LEGACY_CATALOG = "hive_metastore"
_WAREHOUSE_WORDS = ("warehouses", "endpoints")


def http_path_of(config: GroupConfig) -> str:
    """The path of a group's warehouse or cluster. Raises ConfigurationError when it has none."""
    if config.http_path:
        return config.http_path
    if config.warehouse_id:
        return f"/sql/1.0/warehouses/{config.warehouse_id}"
    raise ConfigurationError(
        f"group {config.group_id}: missing http_path or warehouse_id",
        fields=("http_path", "warehouse_id"),
        hint="name the SQL warehouse in the group's configuration",
    )


def warehouse_of(http_path: str) -> str:
    """Id of the warehouse a path leads to; '' for a cluster's path."""
    *_, word, identifier = http_path.split("/")
    return identifier if word in _WAREHOUSE_WORDS else ""


def group_url(config: GroupConfig) -> URL:
    """A group's URL, without user and password: requests are signed one by one.

    Raises:
        ConfigurationError: naming what is missing or refused, before any connection.
    """
    check_connection(config)
    missing = tuple(name for name in ("catalog", "schema") if not getattr(config, name))
    if missing:
        raise ConfigurationError(
            f"group {config.group_id}: missing {', '.join(missing)}", fields=missing
        )
    if config.catalog.lower() == _LEGACY_CATALOG:
        logger.warning("group %s: %s is untested by the dialect", config.group_id, config.catalog)
    host = urlsplit(config.workspace_url).hostname or ""
    return sql_url(host, http_path_of(config), catalog=config.catalog, schema=config.schema)


def sql_url(
    host: str, http_path: str, *, catalog: str, schema: str, token: Secret | None = None
) -> URL:
    """The one shape of URL that the dialect reads; a port is no part of it."""
    return URL.create(
        DIALECT,
        username=None if token is None else "token",
        password=None if token is None else token.reveal(),
        host=host,
        query={"http_path": http_path, "catalog": catalog, "schema": schema},
    )


def address_settings(
    config: GroupConfig, ca_file: Path | None, *, verify_tls: bool = True
) -> dict[str, Any]:
    """Arguments of the driver's `connect` that say where the group's workspace is.

    Certificates of `ca_file` are trusted, or else those of the system; without `verify_tls` all.

    Raises:
        ConfigurationError: a proxy that the driver cannot go through.
    """
    check_drivers_way(config.workspace_url)
    url = urlsplit(config.workspace_url)
    settings: dict[str, Any] = {
        "user_agent_entry": f"kmflow_orchestration/{__version__}",
        "enable_telemetry": False,
    }
    if url.scheme == "http":  # loopback only, and only when the group allows it
        settings["_connection_uri"] = f"http://{url.netloc}{http_path_of(config)}"
    elif url.port:
        settings["_port"] = url.port
    if ca_file is not None:
        settings["_tls_trusted_ca_file"] = str(ca_file)
    if not verify_tls:
        settings["_tls_no_verify"] = True
    return settings
