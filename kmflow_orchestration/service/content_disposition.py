"""The header that names a download, for any file name (RFC 6266, RFC 8187)."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

# The marks that stand for themselves in `filename*`.
_PLAIN_MARKS = "!#$&+-.^_`|~"
# Besides what is not ASCII: quoting ends, escapes and paths begin with these.
_UNSAFE = frozenset('"\\/%')


def attachment(file_name: str) -> str:
    """Have a file saved under its name; old clients get the nearest name in ASCII.

    Never inline: what a page or a picture of somebody else's would do in a browser is not ours.
    """
    # A name that is no UTF-8 cannot get into the store; it must not break a header either.
    told = quote(file_name.encode("utf-8", "replace"), _PLAIN_MARKS)
    return f"attachment; filename=\"{_ascii(file_name)}\"; filename*=UTF-8''{told}"


def _ascii(file_name: str) -> str:
    plain = unicodedata.normalize("NFKD", file_name)
    kept = "".join(_letter(char) for char in plain if not unicodedata.combining(char))
    return kept or "_"


def _letter(char: str) -> str:
    return char if " " <= char <= "~" and char not in _UNSAFE else "_"
