"""What a token must look like before it is sent anywhere (rows C6 and C7)."""

from __future__ import annotations

import logging

from kmflow_orchestration.config.placeholders import is_placeholder_secret
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import CredentialError

logger = logging.getLogger(__name__)
# Personal tokens and OAuth access tokens (JWT).
_PREFIXES = ("dapi", "eyJ")


def check_secret(secret: Secret, where: str) -> Secret:
    """The secret, when it can stand in a header. Python shows a bad header with its value.

    `where` names the reference it came from.

    Raises:
        CredentialError: still a template's value, or it holds what no secret of Databricks has.
    """
    value = secret.reveal()
    if is_placeholder_secret(value):
        raise CredentialError(
            f"{where} still holds the template value", hint="put the secret there"
        )
    if value[:6].lower() == "bearer" and value[6:7].strip() == "":
        raise CredentialError(
            f"{where} begins with `Bearer`", hint="remove the prefix and keep the bare token there"
        )
    if not value.isascii() or not value.isprintable() or " " in value:
        raise CredentialError(
            f"{where} holds blanks, line breaks or other characters that no token has",
            hint="keep the bare token there, without `Bearer`",
        )
    return secret


def check_token(secret: Secret, where: str, *, is_local: bool = False) -> Secret:
    """The same for a token; one that is neither personal nor of OAuth gets a warning.

    An embedded workspace on this machine (`is_local`) takes any token.

    Raises: as `check_secret`.
    """
    checked = check_secret(secret, where)
    if not is_local and not checked.reveal().startswith(_PREFIXES):
        logger.warning("%s holds neither a personal token (dapi) nor an OAuth token (eyJ)", where)
    return checked
