"""Secrets of this machine: made once, whole or absent, readable by their owner only."""

from __future__ import annotations

import secrets
from pathlib import Path

from kmflow_orchestration.redaction import register


def own_secret(path: Path) -> Path:
    """The file of a random secret (mode 0600), made on first use; its folder must exist."""
    if not path.exists():
        # A killed process must not leave an empty secret behind.
        scratch = path.with_suffix(".new")
        scratch.touch(mode=0o600)
        scratch.write_text(secrets.token_urlsafe(32), encoding="ascii")
        scratch.replace(path)
    return path


def own_token(directory: Path) -> str:
    """The administrator's token of a workspace served on its own, kept beside its state."""
    directory.mkdir(parents=True, exist_ok=True)
    return read_own(own_secret(directory / "admin.token"))


def read_own(path: Path) -> str:
    """A secret of this machine; from now on no text of this process shows it."""
    value = path.read_text(encoding="ascii")
    register(value)
    return value
