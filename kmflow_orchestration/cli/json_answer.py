"""Whether the command that runs has shown its JSON object: it shows one, also where it fails."""

from __future__ import annotations

from contextvars import ContextVar

is_shown: ContextVar[bool] = ContextVar("is_shown", default=False)
