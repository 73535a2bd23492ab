"""A control database with one group and one table group, for tests about profile runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.metadata.api_tokens import ApiTokens
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.metadata.profile_completions import ProfileFindings
from kmflow_orchestration.metadata.profile_records import (
    Anomaly,
    Applied,
    Completion,
    ProfileRun,
    Score,
    TableGroup,
)
from kmflow_orchestration.metadata.profile_runs import ProfileRuns
from kmflow_orchestration.metadata.table_groups import TableGroups
from kmflow_orchestration.names import EngagementId, GroupId, TableGroupId
from kmflow_orchestration.runs.callback_tokens import CallbackKeys
from kmflow_orchestration.runs.callbacks import apply_completion
from kmflow_orchestration.runs.run_state import Actor, RunStatus
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.fakes import FakeClock

ACME = GroupId("acme")
GLOBEX = GroupId("globex")
E1 = TableGroupId("e1")
KEY = "k" * 40

NULLS = Anomaly(
    schema_name="main_bronze",
    table_name="e1__loans",
    column_name="rate",
    anomaly_type_id="1002",
    anomaly_type="Non_Standard_Blanks",
    severity="high",
    prevalence=0.5,
    risk_factor=1.0,
)
SPACES = replace(NULLS, column_name="name", anomaly_type_id="1006")
WHOLE = Score(scope="table_group", score=0.75, record_count=100, affected=25.0)
DONE = Completion(
    status=RunStatus.COMPLETED,
    row_count=100,
    table_count=1,
    column_count=2,
    dq_score_profiling=0.75,
    anomalies=(NULLS, SPACES),
    scores=(WHOLE,),
)
FAILED = Completion(status=RunStatus.FAILED, error_message="no such table")


@dataclass
class ProfileWorld:
    """Grows while a test runs; `runs`, `table_groups` and `findings` are the real repositories."""

    database_url: str
    clock: FakeClock = field(default_factory=FakeClock)
    keys: CallbackKeys = field(default_factory=lambda: CallbackKeys.of(Secret(KEY)))

    def __post_init__(self) -> None:
        self.engine = engine_of(self.database_url)
        sessions = open_sessions(self.engine)
        self.runs = ProfileRuns(sessions)
        self.table_groups = TableGroups(sessions)
        self.findings = ProfileFindings(sessions)
        self.tokens = ApiTokens(sessions, self.clock)
        self.table_group = self.add_table_group(ACME, "e1")

    def add_table_group(self, group: GroupId, engagement: str) -> TableGroup:
        return self.table_groups.ensure_default(
            group, EngagementId(engagement), schema_name="main_bronze", now=self.clock.now()
        )

    def loans_changed(
        self, schema_name: str = "acme_bronze", table_name: str = "e1__loans"
    ) -> None:
        """A table of the table group got a batch, so there is something to profile."""
        self.table_groups.table_changed(
            ACME,
            E1,
            schema_name=schema_name,
            table_name=table_name,
            batch_id="b1",
            at=self.clock.now(),
        )

    def queue(self, number: int = 1, group: GroupId = ACME, **fields: object) -> ProfileRun:
        """A run that is about to be submitted."""
        now = self.clock.now()
        run = ProfileRun(
            profile_run_id=str(UUID(int=number)),
            group_id=group,
            table_group_id=E1,
            status=RunStatus.QUEUED,
            created_at=now,
            updated_at=now,
            deadline_at=now + timedelta(hours=2),
            timeout_seconds=3600,
            next_poll_at=now + timedelta(minutes=10),
        )
        run = replace(run, **fields)
        self.runs.insert_queued(group, run)
        return run

    def submit(self, number: int = 1, databricks_run_id: str = "77") -> ProfileRun:
        """A run its platform knows."""
        run = self.queue(number)
        return self.runs.submitted(
            ACME,
            run.profile_run_id,
            databricks_run_id=databricks_run_id,
            run_page_url=f"https://workspace/#job/1/run/{databricks_run_id}",
            at=self.clock.now(),
            next_poll_at=self.clock.now() + timedelta(minutes=1),
        )

    def complete(
        self, run: ProfileRun, completion: Completion = DONE, by: Actor = Actor.CALLBACK
    ) -> Applied:
        return apply_completion(
            ACME, run.profile_run_id, completion, runs=self.runs, by=by, clock=self.clock
        )

    def read(self, run: ProfileRun) -> ProfileRun:
        return self.runs.get(run.group_id, run.profile_run_id)
