"""Groups on the embedded workspace with files that cannot enter, or not be converted."""

from __future__ import annotations

from itertools import count

import pytest

from kmflow_orchestration_tests.converters.dbase_files import dbf_bytes
from kmflow_orchestration_tests.embedded import embedded_server
from kmflow_orchestration_tests.operations.workspace_group import (
    WorkspaceGroup,
    WorkspaceGroups,
    groups,
    shell,
)

__all__ = ["embedded_server", "groups", "shell"]

_NUMBERS = count(1)
MEMO = dbf_bytes(
    [("ID", "N", 2), ("NOTE", "M", 10)], [b"  1         1", b"  2         2"], version=0x8B
)
LINES = b'{"id": 1}\n{"id": 2}\n{bad token=dapi0123456789abcdef0123456789abcdef\n'


@pytest.fixture(scope="module")
def acme(groups: WorkspaceGroups) -> WorkspaceGroup:
    return groups.add("acme")


@pytest.fixture(scope="module")
def globex(groups: WorkspaceGroups) -> WorkspaceGroup:
    group = groups.add("globex")
    group.drop("e1/theirs.jsonl", LINES)
    group.convert()
    return group


@pytest.fixture
def engagement() -> str:
    """An engagement that no other test uses."""
    return f"q{next(_NUMBERS)}"
