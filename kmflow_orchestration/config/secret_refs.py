"""References to secrets, and the secrets they resolve to (design AD10).

A reference is text that may be stored and shown; a secret is a value that shows itself to nobody.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kmflow_orchestration.errors import CredentialError

SCHEMES = ("env", "file")


class Secret:
    """A resolved secret: prints, formats and pickles as nothing but `***`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled: pass its reference and resolve it there")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class SecretRef:
    """`env:NAME` or `file:PATH`; resolved at use, never earlier."""

    scheme: str
    target: str

    @classmethod
    def parse(cls, text: str) -> SecretRef:
        """Reads a reference.

        Raises:
            CredentialError: no known scheme, or nothing behind it. The text itself is not shown,
                because it may be a secret that somebody pasted.
        """
        scheme, separator, target = text.strip().partition(":")
        if not separator or scheme not in SCHEMES or not target:
            raise CredentialError(
                "this is no reference to a secret",
                hint="store env:NAME or file:PATH, not the value",
            )
        return cls(scheme, target)

    def resolve(self, environment: Mapping[str, str] | None = None) -> Secret:
        """Reads the secret now.

        Raises:
            CredentialError: names the reference when the variable or file is missing or empty.
        """
        value = self._from_file() if self.scheme == "file" else self._from_environment(environment)
        if not value:
            raise CredentialError(f"{self} is empty", hint="put the secret there and try again")
        return Secret(value)

    def _from_environment(self, environment: Mapping[str, str] | None) -> str:
        source = os.environ if environment is None else environment
        if self.target not in source:
            raise CredentialError(f"{self} is not set", hint=f"export {self.target}")
        return source[self.target].strip()

    def _from_file(self) -> str:
        try:
            return Path(self.target).read_text(encoding="utf-8").strip()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise CredentialError(f"{self} cannot be read: {reason}") from error

    def __str__(self) -> str:
        return f"{self.scheme}:{self.target}"
