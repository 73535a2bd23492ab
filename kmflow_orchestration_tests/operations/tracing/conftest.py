"""Two groups on the embedded workspace with everything published that can be traced."""

from __future__ import annotations

import pytest

from kmflow_orchestration_tests.embedded import embedded_server
from kmflow_orchestration_tests.operations.workspace_group import (
    WorkspaceGroup,
    WorkspaceGroups,
    groups,
    shell,
    workbook,
)

__all__ = ["embedded_server", "groups", "shell"]

LOANS = 'id;name;amount\n1;"Ann; B";10,50\n2;Bob;7\n3;"two\nlines";8\n'


@pytest.fixture(scope="module")
def acme(groups: WorkspaceGroups) -> WorkspaceGroup:
    group = groups.add("acme")
    group.drop("e1/loans.csv", "id;name;amount\n1;old;1\n")
    group.work()
    group.drop("e1/loans.csv", LOANS)
    rows: list[list[object]] = [[None, "id", "city"], [None, 7, "Oslo"], [None, 8, "Rome"]]
    group.drop("e1/places.xlsx", workbook("My places", rows))
    group.drop("e1/note.md", "# Rules\n\nLoans are kept in Salesforce.\n")
    group.work()
    return group


@pytest.fixture(scope="module")
def globex(groups: WorkspaceGroups) -> WorkspaceGroup:
    group = groups.add("globex")
    group.drop("e1/plans.csv", "id\n1\n")
    group.work()
    return group
