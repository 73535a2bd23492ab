"""What became of the files of a batch, for people, programs and reports (rows D13, D17)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from kmflow_orchestration.errors import (
    ConverterCrashed,
    DatabricksConversionError,
    KmflowError,
    SchemaDriftError,
    TimeLimitExceeded,
)
from kmflow_orchestration.extras import missing
from kmflow_orchestration.operations.convert.conversion_report import tables_of
from kmflow_orchestration.operations.convert.folder_plan import FolderPlan
from kmflow_orchestration.operations.convert.stale_results import StaleResult
from kmflow_orchestration.storage.disk_faults import reason

CRASHED = "converter_crashed"
TIMED_OUT = "timed_out"


class Status(StrEnum):
    """What became of a file."""

    CONVERTED = "converted"
    UNCHANGED = "unchanged"
    """Converted before, from the same bytes, with the same options and converter."""
    PLANNED = "planned"
    FAILED = "failed"
    NOT_TRIED = "not_tried"
    """Another file failed before, and the batch was to stop then."""


_WITHOUT_RESULT = frozenset({Status.FAILED, Status.NOT_TRIED})


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """One line of the report; `missed` is what of the source is not in the result.

    `tables` are those of the result, as `tables_of` tells them. `drift` tells how they differ from
    what its schema lock held.
    """

    path: str
    status: Status
    outputs: tuple[str, ...] = ()
    rows: int = 0
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    code: str = ""
    message: str = ""
    hint: str = ""
    drift: tuple[str, ...] = ()
    size_bytes: int = 0
    tables: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of_result(
        cls,
        path: str,
        status: Status,
        manifest: Mapping[str, Any],
        *,
        outputs: Iterable[str],
        rows: int,
        missed: Iterable[str],
    ) -> Self:
        """Of a file with a result, whose manifest is told in plain values."""
        return cls(
            path,
            status,
            tuple(outputs),
            rows,
            warnings=tuple(one["message"] for one in manifest["warnings"]),
            missed=tuple(missed),
            size_bytes=manifest["source_size_bytes"],
            tables=tables_of(manifest),
        )


@dataclass(frozen=True, slots=True)
class FolderOutcome:
    """Every planned file with what became of it, by path; `stale` are results of none of them.

    Of a dry run: about how long it would take, and the grants that it would need.
    """

    source: str
    output: str
    files: tuple[FileOutcome, ...]
    matched: int
    clashes: tuple[str, ...] = ()
    stale: tuple[StaleResult, ...] = ()
    estimated_s: float = 0.0
    grants: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: FolderPlan, files: Iterable[FileOutcome]) -> Self:
        return cls(str(plan.source), str(plan.output), tuple(files), plan.matched, plan.clashes)

    @property
    def with_result(self) -> frozenset[str]:
        """Paths of the files that have a result now, or would have one."""
        return frozenset(one.path for one in self.files if one.status not in _WITHOUT_RESULT)

    @property
    def counts(self) -> dict[str, int]:
        return dict(sorted(Counter(one.status.value for one in self.files).items()))

    def is_whole(self, *, allow_skip: bool = False) -> bool:
        """Whether all that was asked for was done."""
        return not any(
            one.status in _WITHOUT_RESULT or (one.missed and not allow_skip) for one in self.files
        )

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "counts": self.counts}


_WITHOUT_ANSWER: dict[type[KmflowError], str] = {
    TimeLimitExceeded: TIMED_OUT,
    ConverterCrashed: CRASHED,
}


def failed_with(path: str, error: Exception) -> FileOutcome:
    """What was wrong with a file, as its outcome."""
    match error:
        case ModuleNotFoundError():
            told: KmflowError = missing(error)
        case KmflowError():
            told = error
        case OSError():
            told = DatabricksConversionError(f"{error.filename or path}: {reason(error)}")
        case _:
            told = KmflowError(f"a fault of kmflow itself: {type(error).__name__}: {error}")
    code = _WITHOUT_ANSWER.get(type(told), told.code)
    drift = told.differences if isinstance(told, SchemaDriftError) else ()
    return FileOutcome(
        path,
        Status.FAILED,
        code=code,
        message=told.message,
        hint=told.hint,
        drift=tuple(one["text"] for one in drift),
    )
