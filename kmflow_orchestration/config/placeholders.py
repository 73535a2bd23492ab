"""Template values that were never replaced (row C6)."""

from __future__ import annotations

import re

_ANYWHERE = re.compile(
    r"your[-_]|<[^>]*>|…|\*\*\*|change-?_?me|placeholder"
    r"|\$\{[^}]*\}|\{\{.*?\}\}|%[A-Za-z_][A-Za-z0-9_]*%",
    re.IGNORECASE,
)
# `xxxx` between separators, or `dapixxxx`; a long value may hold four of a letter by chance.
_SAME_LETTER = re.compile(
    r"(?:^|[^a-z0-9]|^dapi|^dose|^dkea)([a-z])\1{3,}(?:$|[^a-z0-9])", re.IGNORECASE
)
_LONG_RUN = re.compile(r"x{8,}", re.IGNORECASE)
_LONG = 20
# Harmless inside a longer name, a leftover when they are all there is.
_WHOLE = frozenset(
    {"example", "replace", "todo", "insert", "dummy", "token", "none", "null", "abc123", "xxx"}
)
_NO_SECRET = _WHOLE | {"test", "secret", "password", "key", "id", "value", "dapi", "dose"}
_FILLING = frozenset({"me", "my", "here", "this", "the", "a", "your", "with", "client", "access"})
_SAMPLE_TOKEN = re.compile(r"dapi(1234567890abcdef.*|0+)", re.IGNORECASE)


def is_placeholder(text: str) -> bool:
    """Whether a value is still that of a template; quotes, outer blanks and case do not count."""
    value = text.strip().strip("\"'").strip()
    if value.lower() in _WHOLE or _ANYWHERE.search(value):
        return True
    return (_LONG_RUN if len(value) >= _LONG else _SAME_LETTER).search(value) is not None


def is_placeholder_secret(text: str) -> bool:
    """The same for a token, a client's id or its secret; `test` is a catalog, but no secret."""
    value = text.strip().strip("\"'").strip().lower()
    words = {word for word in re.split(r"[^a-z0-9]+", value) if word}
    return (
        is_placeholder(value)
        or _SAMPLE_TOKEN.fullmatch(value) is not None
        or (bool(words & _NO_SECRET) and words <= _NO_SECRET | _FILLING)
    )


def is_placeholder_host(host: str) -> bool:
    """The same for a host, by whole labels: `example-corp.…` is real, `example.com` is not."""
    labels = host.lower().split(".")
    return (
        labels[-2:] == ["example", "com"]
        or any(label in _WHOLE or label.startswith(("your-", "changeme")) for label in labels)
        or any(re.fullmatch(r"adb-x+", label) for label in labels)
        or _ANYWHERE.search(host) is not None
        or _SAME_LETTER.search(host) is not None
    )
