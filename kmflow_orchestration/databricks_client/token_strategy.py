"""A group's sign-in as the SDK's own kind of credentials, for clients that others build."""

from __future__ import annotations

from kmflow_orchestration.clock import Clock, SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.databricks_client.connect import check_connection, open_group_sign_in
from kmflow_orchestration.databricks_client.connection_rules import ConnectionRules
from kmflow_orchestration.databricks_client.sdk_sign_in import SignInStrategy


def token_strategy(
    config: GroupConfig, *, rules: ConnectionRules | None = None, clock: Clock | None = None
) -> SignInStrategy:
    """Credentials of a group, looked up when a client is built with them; they hold no secret.

    Raises:
        ConfigurationError: it has no workspace or way to sign in, or the address is refused.
    """
    check_connection(config)
    in_force = rules or ConnectionRules()
    return SignInStrategy(
        lambda: open_group_sign_in(config, clock=clock or SystemClock(), rules=in_force)
    )
