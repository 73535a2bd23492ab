"""A group's token as the SDK's own kind of credentials, resolved at each request."""

from __future__ import annotations

from collections.abc import Callable

from databricks.sdk.credentials_provider import CredentialsStrategy

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.databricks_client.connect import check_connection
from kmflow_orchestration.errors import ConfigurationError


def token_strategy(config: GroupConfig) -> TokenStrategy:
    """Credentials of a group.

    Raises:
        ConfigurationError: it has no workspace or token, or the address is refused.
    """
    check_connection(config)
    if config.token is None:
        raise ConfigurationError(f"group {config.group_id} has no token", fields=("token",))
    return TokenStrategy(config.token)


class TokenStrategy(CredentialsStrategy):  # type: ignore[misc]  # the SDK ships no types
    """Sends what a reference resolves to; its repr shows the reference at most."""

    def __init__(self, reference: SecretRef) -> None:
        self._reference = reference

    def auth_type(self) -> str:
        return "pat"

    def __call__(self, cfg: object) -> Callable[[], dict[str, str]]:
        def headers() -> dict[str, str]:
            return {"Authorization": f"Bearer {self._reference.resolve().reveal()}"}

        return headers
