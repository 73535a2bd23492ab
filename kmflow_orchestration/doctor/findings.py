"""What a check found, and what all of them say together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["pass", "warn", "fail", "skip"]
# The checks in their order; known without what they look with.
CHECK_IDS = (
    *("config", "sdk", "sign_in", "runtime", "objects", "privileges", "too_broad", "warehouse"),
    *("probe", "backend", "files_and_rows", "duplicate_rows", "tables", "silver_blank"),
    *("token", "outbox", "landing"),
)
# What must be mended first, should several checks fail: settings, rights, the platform, the rest.
_GRAVEST_FIRST = (3, 4, 6, 5, 1)


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's answer. `can_be_made` says that `--fix` may make what is missing."""

    status: Status
    evidence: str
    fix: str = ""
    exit_code: int = 0
    can_be_made: bool = False


def passed(evidence: str) -> Finding:
    return Finding("pass", evidence)


def skipped(evidence: str) -> Finding:
    return Finding("skip", evidence)


def warned(evidence: str, fix: str) -> Finding:
    return Finding("warn", evidence, fix)


def failed(evidence: str, fix: str, *, exit_code: int = 1, can_be_made: bool = False) -> Finding:
    """`exit_code` is of the product's one table."""
    return Finding("fail", evidence, fix, exit_code, can_be_made)


@dataclass(frozen=True, slots=True)
class Checked:
    """One check and its finding; times are in milliseconds."""

    number: int
    id: str
    status: Status
    evidence: str
    fix: str
    exit_code: int
    milliseconds: float
    can_be_made: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """An object that `--fix` made, or could not make."""

    object: str
    kind: str
    action: str
    message: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks of one group in their order, and what was made between two looks."""

    group: str
    checks: tuple[Checked, ...]
    made: tuple[Made, ...] = ()

    def with_status(self, status: Status) -> tuple[Checked, ...]:
        return tuple(one for one in self.checks if one.status == status)

    @property
    def can_be_made(self) -> bool:
        """Whether something is missing that `--fix` may make."""
        return any(one.can_be_made for one in self.checks)

    def exit_code(self, *, strict: bool = False) -> int:
        """By the product's one table; warnings count as 1 when `strict`."""
        warned_of = [1] if strict and self.with_status("warn") else []
        return gravest([*(one.exit_code for one in self.with_status("fail")), *warned_of])


def gravest(codes: Iterable[int]) -> int:
    """The exit code of several: what must be mended first."""
    found = set(codes) - {0}
    return next((code for code in _GRAVEST_FIRST if code in found), min(found, default=0))
