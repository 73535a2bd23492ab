"""The administrator's token of a workspace served on its own: made once, kept beside its state."""

from __future__ import annotations

import secrets
from pathlib import Path


def own_token(directory: Path) -> str:
    """The token in `<directory>/admin.token` (mode 0600); made on first use."""
    path = directory / "admin.token"
    directory.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        scratch = path.with_suffix(".new")
        scratch.touch(mode=0o600)
        scratch.write_text(secrets.token_urlsafe(32), encoding="ascii")
        scratch.replace(path)
    return path.read_text(encoding="ascii")
