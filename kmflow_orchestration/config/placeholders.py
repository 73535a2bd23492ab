"""Template values that were never replaced (row C6)."""

from __future__ import annotations

import re

_ANYWHERE = re.compile(
    r"your[-_]|<[^>]*>|…|\*\*\*|change-?_?me|placeholder"
    r"|\$\{[^}]*\}|\{\{.*?\}\}|%[A-Za-z_][A-Za-z0-9_]*%|x{4,}",
    re.IGNORECASE,
)
# Harmless inside a longer name, a leftover when they are all there is.
_WHOLE = frozenset(
    {"example", "replace", "todo", "insert", "dummy", "token", "none", "null", "abc123", "xxx"}
)


def is_placeholder(text: str) -> bool:
    """Whether a value is still that of a template; quotes, outer blanks and case do not count."""
    value = text.strip().strip("\"'").strip()
    return value.lower() in _WHOLE or _ANYWHERE.search(value) is not None


def is_placeholder_host(host: str) -> bool:
    """The same for a host, by whole labels: `example-corp.…` is real, `example.com` is not."""
    labels = host.lower().split(".")
    return (
        labels[-2:] == ["example", "com"]
        or any(label in _WHOLE or label.startswith(("your-", "changeme")) for label in labels)
        or any(re.fullmatch(r"adb-x+", label) for label in labels)
        or _ANYWHERE.search(host) is not None
    )
