"""A run's rows into the `_dq` tables: all it found, or what a failing one had (rows E25, E48)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.profiling.completion import failure_text
from kmflow_orchestration.profiling.evaluation import Evaluation
from kmflow_orchestration.profiling.hygiene import RuleFault
from kmflow_orchestration.profiling.job_parameters import JobParameters
from kmflow_orchestration.profiling.result_rows import result_rows
from kmflow_orchestration.profiling.scoring import score_run
from kmflow_orchestration.profiling.spark_engine import SparkEngine
from kmflow_orchestration.profiling.table_profile import TableProfile
from kmflow_orchestration.tables.definition import TableDefinition
from kmflow_orchestration.tables.profiling import DQ_PROFILE_OPERATIONS

logger = logging.getLogger(__name__)

SUCCESS, FAILED = "success", "failed"


@dataclass(frozen=True, slots=True)
class UnreadableTable:
    """A table that could not be read at all, and the platform's words for it."""

    schema_name: str
    table_name: str
    error: str


@dataclass(slots=True)
class Progress:
    """How far a run came: what is reported and kept of one that fails. Grows while it runs."""

    tables: list[TableProfile] = field(default_factory=list)
    unreadable: list[UnreadableTable] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Of the tables done so far, by the names a completion gives them."""
        return {
            "table_count": len(self.tables),
            "column_count": sum(len(table.columns) for table in self.tables),
            "row_count": sum(table.record_count for table in self.tables),
        }


@dataclass(slots=True)
class ResultWriter:
    """Writes a run's rows under its id, in the place of those of an earlier try.

    Every step, also one that fails, has its line in `dq_profile_operations`. Mutable: it collects
    these lines.
    """

    engine: SparkEngine
    parameters: JobParameters
    clock: Clock
    _operations: list[dict[str, Any]] = field(default_factory=list)

    def write(self, found: Progress, judged: Evaluation) -> None:
        """Write everything a run found.

        Raises:
            StatementFailed: a table could not be written; those before it are.
        """
        self._add_faults(judged.faults)
        with self._recorded():
            self._write_all(found, judged)

    def keep(self, found: Progress, fault: BaseException) -> None:
        """Write the measures of a run that fails, unjudged: issues and scores are of whole runs.

        Never raises: nothing may hide `fault`, and where the engine itself is gone nothing can be
        kept. Written only now, not table by table: each would cost a commit in every result table.
        """
        if not found.tables:
            return
        self._add("profile run", status=FAILED, error_payload=self._text(fault))
        try:
            with self._recorded():
                self._write_all(found, Evaluation((), (), score_run((), ())))
        except Exception as lost:  # noqa: BLE001 - whatever it is, it matters less than `fault`
            logger.warning("partial results were not stored: %s", type(lost).__name__)

    def _write_all(self, found: Progress, judged: Evaluation) -> None:
        errors = {(one.schema_name, one.table_name): one.error for one in found.unreadable}
        for definition, rows in result_rows(
            found.tables, judged.issues, judged.scores, errors=errors
        ):
            self._write(definition, rows)

    def _write(self, definition: TableDefinition, rows: Sequence[Mapping[str, Any]]) -> None:
        begun = self.clock.monotonic()
        try:
            self._replace(definition, rows)
        except Exception as error:
            self._add(definition.name, status=FAILED, error_payload=self._text(error))
            raise
        took = int((self.clock.monotonic() - begun) * 1000)
        self._add(definition.name, rows_written=len(rows), duration_ms=took)

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """Writes the operations at the end; their own line would have to be there before."""
        try:
            yield
        except Exception:
            try:
                self._replace(DQ_PROFILE_OPERATIONS, self._operations)
            except Exception as lost:  # noqa: BLE001 - the first fault is the one to tell
                logger.warning("operations were not stored: %s", type(lost).__name__)
            raise
        self._replace(DQ_PROFILE_OPERATIONS, self._operations)

    def _replace(self, definition: TableDefinition, rows: Sequence[Mapping[str, Any]]) -> None:
        run = {
            "group_id": self.parameters.group_id,
            "profile_run_id": self.parameters.profile_run_id,
            "table_group_id": self.parameters.table_group_id,
        }
        self.engine.replace_run(
            self.parameters.result_table(definition),
            definition,
            self.parameters.profile_run_id,
            [{**run, **row} for row in rows],
        )

    def _add_faults(self, faults: Sequence[RuleFault]) -> None:
        for fault in faults:
            target = f"rule {fault.rule_id} {fault.rule_name}"
            self._add(target, status=FAILED, error_payload=fault.error)

    def _add(self, target: str, *, status: str = SUCCESS, **facts: Any) -> None:
        operation_id = f"{len(self._operations) + 1:03d}"
        line = {"operation_id": operation_id, "target": target, "status": status, **facts}
        self._operations.append({**line, "finished_at": self.clock.now()})

    def _text(self, error: BaseException) -> str:
        return failure_text(error, self.parameters.callback_token)
