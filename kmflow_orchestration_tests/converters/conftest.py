"""Files to convert, written for one test each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kmflow_orchestration.converters.interface import Source

Writes = Callable[..., Source]


@pytest.fixture
def source(tmp_path: Path) -> Writes:
    def write(content: str | bytes, name: str = "loans.csv") -> Source:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Source(path, name)

    return write
