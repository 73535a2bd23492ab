"""References to secrets, and the secrets they resolve to (design AD10).

A reference is text that may be stored and shown; a secret is a value that shows itself to nobody.

    env:NAME            a variable of the process's environment
    file:PATH           a file of the owner's alone
    secret:scope/key    a Databricks secret scope
    profile:NAME        sign in as a profile of the SDK's profile file does
    fernet:CIPHERTEXT   the secret itself, encrypted; the key is in the environment
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kmflow_orchestration.config.ciphertext import decrypt
from kmflow_orchestration.config.private_files import check_private
from kmflow_orchestration.errors import CredentialError
from kmflow_orchestration.redaction import MASK, register

SCHEMES = ("env", "file", "secret", "profile", "fernet")
SHAPES = "env:NAME, file:PATH, secret:scope/key, profile:NAME or fernet:CIPHERTEXT"
_TARGETS = {
    "secret": re.compile(r"[\w.@ -]{1,128}/[\w.-]{1,128}"),
    "fernet": re.compile(r"[A-Za-z0-9_-]{60,}={0,2}"),
}


class Secret:
    """A resolved secret: prints and formats as nothing but `***`, and is not pickled at all."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled: pass its reference and resolve it there")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class SecretSources:
    """Where a process looks references up."""

    environment: Mapping[str, str] | None = field(default=None, repr=False)
    """None is the process's own."""
    production: bool = False
    """Then a file that others can read is refused."""
    scopes: Callable[[str, str], str] | None = None
    """Reads a key of a Databricks secret scope."""

    @property
    def variables(self) -> Mapping[str, str]:
        return os.environ if self.environment is None else self.environment

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an environment is not pickled: it may hold secrets")


@dataclass(frozen=True, slots=True, repr=False)
class SecretRef:
    """Where a secret is kept; resolved at use, never earlier."""

    scheme: str
    target: str

    @classmethod
    def parse(cls, text: str) -> SecretRef:
        """Reads a reference.

        Raises:
            CredentialError: no known scheme, or nothing fitting behind it. The text itself is not
                shown, because it may be a secret that somebody pasted.
        """
        scheme, separator, target = text.strip().partition(":")
        shape = _TARGETS.get(scheme)
        if (
            not separator
            or scheme not in SCHEMES
            or not target
            or (shape is not None and not shape.fullmatch(target))
        ):
            raise CredentialError(
                "this is no reference to a secret", hint=f"store {SHAPES}, not the value"
            )
        return cls(scheme, target)

    def resolve(self, sources: SecretSources | None = None) -> Secret:
        """Reads the secret now; from then on no text of this process shows it.

        Raises:
            CredentialError: names the reference when there is nothing, or nothing to be read.
        """
        value = _READERS[self.scheme](self, sources or SecretSources()).strip()
        if not value:
            raise CredentialError(f"{self.shown} is empty", hint="put the secret there")
        register(value)
        return Secret(value)

    @property
    def shown(self) -> str:
        """The reference for people: a ciphertext is of no use to them."""
        return f"fernet:{MASK}" if self.scheme == "fernet" else str(self)

    def __str__(self) -> str:
        return f"{self.scheme}:{self.target}"

    def __repr__(self) -> str:
        return f"SecretRef({self.shown!r})"


def _from_environment(reference: SecretRef, sources: SecretSources) -> str:
    if reference.target not in sources.variables:
        raise CredentialError(f"{reference} is not set", hint=f"export {reference.target}")
    return sources.variables[reference.target]


def _from_file(reference: SecretRef, sources: SecretSources) -> str:
    path = Path(reference.target).expanduser()
    try:
        check_private(path, production=sources.production)
        return path.read_text(encoding="utf-8")
    except ValueError:
        # Without its cause, which holds the file's bytes.
        problem = "it is no UTF-8 text, or its name no path"
    except OSError as error:
        problem = error.strerror or type(error).__name__
    raise CredentialError(f"{reference} cannot be read: {problem}")


def _from_scope(reference: SecretRef, sources: SecretSources) -> str:
    if sources.scopes is None:
        raise CredentialError(
            f"{reference} cannot be read here: this process signs in to no workspace of its own",
            hint="set DATABRICKS_HOST with DATABRICKS_TOKEN, or DATABRICKS_CONFIG_PROFILE",
        )
    scope, _, key = reference.target.partition("/")
    return sources.scopes(scope, key)


def _from_profile(reference: SecretRef, _sources: SecretSources) -> str:
    raise CredentialError(
        f"{reference} signs in to a workspace and holds no other secret",
        hint="use it as a group's token only",
    )


def _from_ciphertext(reference: SecretRef, sources: SecretSources) -> str:
    return decrypt(reference.target, sources.variables)


_READERS: dict[str, Callable[[SecretRef, SecretSources], str]] = {
    "env": _from_environment,
    "file": _from_file,
    "secret": _from_scope,
    "profile": _from_profile,
    "fernet": _from_ciphertext,
}
