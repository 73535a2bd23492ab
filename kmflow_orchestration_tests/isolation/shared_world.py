"""acme and globex in one process on this machine, and all that may be asked about globex.

Attempts are made by the names of parameters: `at_hand` says what stands for each. Whatever acme
asks about globex's things must be answered as it is about things of nobody.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from kmflow_orchestration.access.api_tokens import TokenParts, new_token
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context, GroupContext
from kmflow_orchestration.errors import KmflowError, StorageUnavailable
from kmflow_orchestration.intake.arrivals import sweep_all
from kmflow_orchestration.metadata.intake_records import Item
from kmflow_orchestration.metadata.ledger_store import changing
from kmflow_orchestration.metadata.output_files import OutputFile
from kmflow_orchestration.metadata.profile_records import ProfileRun, TableGroup
from kmflow_orchestration.metadata.schema import Base
from kmflow_orchestration.metadata.upload_failures import UploadFailure
from kmflow_orchestration.names import EngagementId, GroupId, TableName
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.operations.publish_bronze import publish_bronze
from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration.operations.write_output import TaskOutput, write_output
from kmflow_orchestration.outputs.layout import Execution
from kmflow_orchestration.runs.run_state import RunStatus
from kmflow_orchestration.tables import medallion
from kmflow_orchestration.tables.profiling import DQ_PROFILE_RESULTS
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.runs.profile_world import DONE

ACME, GLOBEX, NOBODY = GroupId("acme"), GroupId("globex"), GroupId("nobody")
SECRET_TEXT = "known to globex alone"
_TABLES = (
    medallion.EVIDENCE_METADATA,
    medallion.BRONZE_EVIDENCE_RAW,
    medallion.SILVER_QUALITY_EVENTS,
    DQ_PROFILE_RESULTS,
)
_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Things:
    """Ids, names and paths of globex, or of nobody."""

    config: GroupConfig
    item: Item
    landing_path: str
    engagement: EngagementId
    run: ProfileRun
    table_group: TableGroup
    table: TableName
    output: OutputFile
    failure: UploadFailure
    token: TokenParts

    def told(self, text: str) -> str:
        """A text without the names that were asked for, which the asker knows."""
        names = {
            self.item.item_id,
            self.item.batch_id,
            self.item.content_hash,
            self.item.stored_path,
            self.item.file_name,
            self.landing_path,
            self.engagement,
            self.run.profile_run_id,
            self.run.databricks_run_id or "",
            self.table_group.table_group_id,
            self.output.sha256,
            self.output.task_key,
            self.output.dagster_run_id,
            self.failure.failure_id,
            self.token.token_id,
            self.token.digest,
            self.config.group_id,
        }
        for name in sorted(names, key=len, reverse=True):
            text = text.replace(name, "<asked>")
        return text


class SharedWorld:
    """One context with both groups; globex has one of everything."""

    def __init__(self, home: Path, database_url: str) -> None:
        self.home, self.clock = home, FakeClock()
        settings = load_settings(home=str(home), storage_backend="local", database_url=database_url)
        self.context = Context(settings, clock=self.clock)
        self.day = utc_day(self.clock.now())
        for group in (ACME, GLOBEX):
            self._furnish(group)
        self.globex.converting()  # makes its scratch folder
        self.theirs = self._of_globex()
        self.nobodys = _like(self.theirs)
        self.had = self.of_globex()

    @property
    def acme(self) -> GroupContext:
        return self.context.group(ACME)

    @property
    def globex(self) -> GroupContext:
        return self.context.group(GLOBEX)

    def _furnish(self, group: GroupId) -> None:
        self.save(group)
        own = self.context.group(group)
        provision(own.config, own.lakehouse, None, tables=_TABLES)
        self._drop(own, "e1/loans.csv", f"id\nof {group}\n")
        if group == GLOBEX:
            self._drop(own, "theirs/plans.csv", f"id\n{SECRET_TEXT}\n")
        ledger = self.context.ledger
        sweep_all(group, own.landing_root, ledger=ledger, clock=self.clock)
        store_batch(group, self.day, **own.storing())
        publish_bronze(group, self.day, **own.recording())
        self.write(own, "loans", f"of {group}")

    def save(self, group: GroupId) -> None:
        """Settings of a group, as they were in the beginning."""
        values = {"catalog": "users", "schema": group, "volume_path": f"users.{group}.outputs"}
        values |= {"volume_enabled": True, "landing_path": str(self.home / "landing" / group)}
        self.context.group_configs.save(group, parse_group(group, values), "tests")

    def _drop(self, own: GroupContext, path: str, content: str) -> None:
        target = own.landing_root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="ascii")
        long_ago = self.clock.now().timestamp() - 3600
        os.utime(target, (long_ago, long_ago))

    def write(self, own: GroupContext, task: str, value: str) -> OutputFile:
        execution = Execution(str(uuid.uuid4()), self.clock.now())
        output = TaskOutput(value={"of": value}, task_key=task, execution=execution)
        done = write_output(own.outbox, output).uploaded
        assert done is not None
        return done.file

    def _of_globex(self) -> Things:
        own, context, now = self.globex, self.context, self.clock.now()
        batch = context.ledger.stored_batches(GLOBEX, self.day)[0]
        items = context.ledger.items(GLOBEX, batch.batch_id)
        item = next(one for one in items if one.file_name == "plans.csv")
        groups = context.table_groups
        table_group = groups.ensure_default(
            GLOBEX, EngagementId("apart"), schema_name="globex_bronze", now=now
        )
        groups.table_changed(
            GLOBEX,
            table_group.table_group_id,
            schema_name="globex_bronze",
            table_name=medallion.BRONZE_EVIDENCE_RAW.name,
            batch_id=item.batch_id,
            at=now,
        )
        output = self.write(own, "plans", SECRET_TEXT)
        failure = UploadFailure(
            failure_id=str(uuid.uuid4()),
            file=replace(output, path=f"{output.path}.failed", task_key="drafts"),
            verify="size",
            tries=1,
            last_tried_at=now,
            error_code="x",
            error_message="x",
        )
        own.outbox.spool.keep(failure.failure_id, SECRET_TEXT.encode())
        context.upload_failures.add(GLOBEX, failure)
        with changing(context._sessions, GLOBEX) as tables:
            tables.mirrors.owe(GLOBEX, item.backend, [item.item_id], now)
            tables.mirrors.deliver(GLOBEX, item.backend, {item.item_id: item.stored_path}, now)
        _, parts = new_token(GLOBEX)
        context.api_tokens.add(
            GLOBEX, parts, name="theirs", role=Role.ADMIN, expires_at=None, author="bob"
        )
        return Things(
            config=own.config,
            item=item,
            landing_path=item.landing_path,
            engagement=EngagementId("theirs"),
            run=self._run(table_group),
            table_group=table_group,
            table=own.config.namespace.bronze(medallion.BRONZE_EVIDENCE_RAW.name),
            output=output,
            failure=failure,
            token=parts,
        )

    def _run(self, table_group: TableGroup) -> ProfileRun:
        """A run of globex that its platform says is running, with findings."""
        now, runs, run_id = self.clock.now(), self.context.profile_runs, str(uuid.uuid4())
        run = ProfileRun(
            profile_run_id=run_id,
            group_id=GLOBEX,
            table_group_id=table_group.table_group_id,
            status=RunStatus.QUEUED,
            created_at=now,
            updated_at=now,
            deadline_at=now + timedelta(hours=2),
            timeout_seconds=3600,
            next_poll_at=now,
        )
        runs.insert_queued(GLOBEX, run)
        folder = self.home / "runs" / GLOBEX / run_id
        folder.mkdir(parents=True)
        (folder / "log").write_text(SECRET_TEXT, encoding="ascii")
        submitted = runs.submitted(
            GLOBEX, run_id, databricks_run_id=run_id, run_page_url="", at=now, next_poll_at=now
        )
        self.context.findings.replace(GLOBEX, run_id, DONE)
        return submitted

    def of_globex(self, connection: sa.Connection | None = None) -> Mapping[str, object]:
        """All that globex has: its rows, and every file below a folder of its name."""
        if connection is None:
            with self.context._engine.connect() as own:
                return self.of_globex(own)
        rows = {
            table.name: sorted(
                repr(tuple(row))
                for row in connection.execute(sa.select(table))
                if row._mapping.get("group_id") == GLOBEX
            )
            for table in Base.metadata.sorted_tables
        }
        found = (path for path in self.home.glob(f"*/{GLOBEX}/**/*") if path.is_file())
        looks = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in found}
        return {**rows, "files": looks}

    def told(self, answer: str) -> str:
        """An answer without what was asked for and without ids that were made just now."""
        text = self.nobodys.told(self.theirs.told(answer))
        there = repr(self.had)
        return _ID.sub(lambda found: found[0] if found[0] in there else "<new>", text)

    def close(self) -> None:
        self.context.close()


def _like(things: Things) -> Things:
    """The same under names that nobody has."""
    strange = str(uuid.uuid4())
    digest = hashlib.sha256(strange.encode()).hexdigest()
    config = replace(
        things.config,
        group_id=NOBODY,
        schema=NOBODY,
        volume_path=f"users.{NOBODY}.outputs",
        landing_path=(things.config.landing_path or "").replace(GLOBEX, NOBODY),
    )
    output = replace(
        things.output,
        group_id=NOBODY,
        path=things.output.path.replace(GLOBEX, NOBODY),
        place=things.output.place.replace(GLOBEX, NOBODY),
        task_key="ideas",
        sha256=digest,
        dagster_run_id=strange,
    )
    run = replace(
        things.run,
        profile_run_id=strange,
        databricks_run_id=strange,
        group_id=NOBODY,
        table_group_id=strange,
    )
    return Things(
        config=config,
        item=replace(
            things.item,
            item_id=strange,
            group_id=NOBODY,
            engagement_id="none",
            file_name="none.csv",
            batch_id=strange,
            content_hash=digest,
            stored_path=things.item.stored_path.replace("theirs", "none").replace(
                "plans.csv", "none.csv"
            ),
            landing_path="none/none.csv",
        ),
        landing_path="none/none.csv",
        engagement=EngagementId("none"),
        run=run,
        table_group=replace(
            things.table_group,
            group_id=NOBODY,
            table_group_id=strange,
            engagement_id="none",
            schema_name="nobody_bronze",
        ),
        table=config.namespace.bronze(things.table.name),
        output=output,
        failure=replace(things.failure, failure_id=strange, file=output),
        token=TokenParts(NOBODY, strange, digest),
    )


def called(name: str, call: Callable[..., Any], at_hand: Mapping[str, Any]) -> str:
    """What came of a call, as text; a parameter is known by its name, or by `call.parameter`.

    An optional parameter that nothing stands for keeps its default; any other is a KeyError: say
    in `at_hand` what of globex's it is about.
    """
    given = {
        one.name: at_hand.get(f"{name}.{one.name}", at_hand.get(one.name))
        for one in inspect.signature(call).parameters.values()
        if one.default is inspect.Parameter.empty or one.name in at_hand
    }
    lacking = [one for one in given if not {one, f"{name}.{one}"} & at_hand.keys()]
    if lacking:
        raise KeyError(f"{name} asks for {lacking}: nothing of globex's stands for it yet")
    try:
        return shown(call(**given))
    except (KmflowError, IntegrityError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"


def shown(result: Any) -> str:
    """A result, used up, as text."""
    if isinstance(result, AbstractContextManager):
        with result as inner:
            return shown(inner)
    return repr(list(result) if inspect.isgenerator(result) else result)


def fault() -> KmflowError:
    return StorageUnavailable("x")
