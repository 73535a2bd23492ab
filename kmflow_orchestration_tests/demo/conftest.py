"""Both groups' landing folders, dropped once for all tests that only look."""

from __future__ import annotations

import pytest

from kmflow_orchestration.demo.evidence import GROUPS, first_drop, second_drop


@pytest.fixture(scope="session")
def first_landing(tmp_path_factory):
    """`<group>/…` after the first drop. Read only."""
    root = tmp_path_factory.mktemp("first")
    for group in GROUPS:
        first_drop(root / group, group)
    return root


@pytest.fixture(scope="session")
def second_landing(tmp_path_factory):
    """The same after both drops. Read only."""
    root = tmp_path_factory.mktemp("second")
    for group in GROUPS:
        first_drop(root / group, group)
        second_drop(root / group, group)
    return root
