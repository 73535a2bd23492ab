"""Secrets kept as ciphertext beside the settings they belong to; only their key lies elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kmflow_orchestration.errors import CredentialError, MissingDependency
from kmflow_orchestration.redaction import register

KEY_VARIABLE = "KMFLOW_FERNET_KEY"


def encrypt(value: str, environment: Mapping[str, str]) -> str:
    """Ciphertext of a value under the first key of the environment. Raises as `decrypt`."""
    return str(_fernet(environment).encrypt(value.encode()).decode())


def decrypt(ciphertext: str, environment: Mapping[str, str]) -> str:
    """The value again, whichever of the environment's keys it was encrypted under.

    Raises:
        CredentialError: no key, none that fits, or no key at all behind the variable.
        MissingDependency: the cryptography package is not installed.
    """
    fernet = _fernet(environment)
    from cryptography.fernet import InvalidToken

    try:
        return str(fernet.decrypt(ciphertext.encode()).decode())
    except (InvalidToken, UnicodeError):
        raise CredentialError(
            f"a fernet: ciphertext does not fit {KEY_VARIABLE}",
            hint="encrypt the secret again: kmflow secret encrypt",
        ) from None


def new_key() -> str:
    """A fresh key for the variable. Raises MissingDependency."""
    return str(_library().Fernet.generate_key().decode())


def _fernet(environment: Mapping[str, str]) -> Any:
    """The keys in force: the first encrypts, all decrypt, so that a key can be replaced."""
    library = _library()
    keys = environment.get(KEY_VARIABLE, "").replace(",", " ").split()
    if not keys:
        raise CredentialError(f"{KEY_VARIABLE} is not set", hint="kmflow secret key makes one")
    for key in keys:
        register(key)
    try:
        return library.MultiFernet([library.Fernet(key) for key in keys])
    except ValueError:
        raise CredentialError(
            f"{KEY_VARIABLE} holds no Fernet key", hint="kmflow secret key makes one"
        ) from None


def _library() -> Any:
    try:
        from cryptography import fernet
    except ImportError as error:
        raise MissingDependency(
            "the cryptography package is not installed",
            hint="pip install 'kmflow_orchestration[orchestrator]'",
        ) from error
    return fernet
