"""What a failed step of the connection check is called, and what to do about it (rows A8, C16)."""

from __future__ import annotations

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.databricks_client.reachability import HostUnreachable
from kmflow_orchestration.errors import (
    AccessRefused,
    ConfigurationError,
    CredentialError,
    CredentialRefused,
    KmflowError,
    ProtocolError,
    RateLimited,
    RemoteFault,
    RemoteNotFound,
    RemoteTimeout,
    ScopeMissing,
    StatementFailed,
    TokenExpired,
    WarehouseUnavailable,
)

# The first that fits: what people call it, before what was said.
_KINDS: tuple[tuple[type[KmflowError], str], ...] = (
    (CredentialRefused, "invalid credentials"),
    (TokenExpired, "invalid credentials"),
    (AccessRefused, "permissions"),
    (WarehouseUnavailable, ""),
    (RemoteTimeout, "timeout"),
)
# What to ask for when a step is refused.
_GRANTS = {
    "sign-in": "ask an administrator: may {where} use {host} from this machine's address?",
    "warehouse": "ask for CAN USE on the warehouse",
    "statement": "ask for CAN USE on the warehouse, and look at its query history",
    "catalog": "ask for USE CATALOG on {catalog}",
    "schema": "ask for USE CATALOG on {catalog} and USE SCHEMA on {catalog}.{schema}",
    "volume": "ask for USE SCHEMA on {catalog}.{schema} and READ VOLUME on the evidence Volume",
    "probe file": "ask for READ VOLUME and WRITE VOLUME on the evidence Volume",
    "outputs": "ask for READ VOLUME and WRITE VOLUME on the Volume that volume_path names",
}


def detail_of(error: KmflowError) -> str:
    """What failed, in the words people look for: invalid credentials, permissions, timeout."""
    kind = next((word for known, word in _KINDS if isinstance(error, known)), "")
    return f"{kind}: {error.message}" if kind else error.message


def remedy_for(
    step: str, error: KmflowError, config: GroupConfig, *, where: str, timeout_s: float
) -> str:
    """What to do; `where` says where the group's secret is kept, as people may see it."""
    if isinstance(error, CredentialRefused | TokenExpired):
        return f"put a token or secret that {config.host} accepts into {where}, and set it anew"
    if isinstance(error, AccessRefused) and not isinstance(error, ScopeMissing) and step in _GRANTS:
        return _GRANTS[step].format(
            where=where, host=config.host, catalog=config.catalog, schema=config.schema
        )
    return _of_a_fault(step, error, config, timeout_s) or error.hint or _last(error, config)


def _of_a_fault(step: str, error: KmflowError, config: GroupConfig, timeout_s: float) -> str:
    """Where the check knows more than the error; '' where it does not."""
    if isinstance(error, StatementFailed):
        return "run SELECT 1 on the warehouse in the workspace, and look at its query history"
    if isinstance(error, HostUnreachable | WarehouseUnavailable):
        return ""
    if isinstance(error, RemoteTimeout):
        return (
            f"give it more than {timeout_s:g} s (--timeout), or check the firewall and the proxy "
            f"between this machine and {config.host}"
        )
    if isinstance(error, RateLimited):
        wait = f"{error.retry_after_s:g} s" if error.retry_after_s else "a minute"
        return f"too many requests: try again in {wait}, with fewer processes"
    if step != "sign-in":
        return ""
    if isinstance(error, ProtocolError | RemoteNotFound):
        return f"check workspace_url: {config.host} does not answer as a Databricks workspace"
    if type(error) is RemoteFault and error.error_code not in {"", "CONNECTION"}:
        return f"is {config.host} in maintenance? look at its status page, and try again later"
    return ""


def _last(error: KmflowError, config: GroupConfig) -> str:
    group = config.group_id
    if isinstance(error, CredentialError):
        return f"put the secret where the settings say: kmflow group show {group}"
    if isinstance(error, ConfigurationError):
        return f"correct {', '.join(error.fields) or 'it'}: kmflow group set {group}"
    if isinstance(error, RemoteFault) and not error.retryable:
        return "look at the group's settings and grants: kmflow group show " + group
    return "try again in a few minutes"
