"""Marked secrets, and the search for them in every form they may have taken."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq


def mark(name: str) -> str:
    """A secret that cannot be there by chance and looks different once it is URL-encoded."""
    return f"canary/{name}+7f3a9c51e2d84b06/9b1c4e7a2f"


def forms(secret: str) -> set[bytes]:
    """As it is, URL-encoded, as a part of any base64, and as hex."""
    raw = secret.encode()
    found = {raw, quote(secret, safe="").encode(), quote(secret).encode(), raw.hex().encode()}
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + raw)
        # Ends depend on what stands beside the secret; the middle does not.
        middle = whole[4 if shift else 0 : -4]
        found |= {middle, middle.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def found_in(content: bytes, secrets: Iterable[str]) -> set[str]:
    """Those of the secrets that a content holds."""
    return {secret for secret in secrets if any(form in content for form in forms(secret))}


def files_with(root: Path, secrets: Iterable[str], *, but: Path) -> Iterator[tuple[str, set[str]]]:
    """Files below a folder that hold one, except those below `but`.

    Parquet is unpacked and databases are read, for a mark may lie across two of their pages.
    """
    secrets = list(secrets)
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_relative_to(but):
            content = path.read_bytes()
            if path.suffix == ".parquet":
                content += repr(pq.read_table(path).to_pylist()).encode()
            if content.startswith(b"SQLite format 3"):
                content += "\n".join(_dumped(path)).encode("utf-8", "replace")
            hits = found_in(content, secrets)
            if hits:
                yield str(path.relative_to(root)), hits


def _dumped(path: Path) -> Iterator[str]:
    """Every row of every table of a database that others may have open."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            for row in database.execute(f'SELECT * FROM "{name}"'):
                yield "|".join(map(str, row))
