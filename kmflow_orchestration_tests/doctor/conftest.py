"""A provisioned group on the embedded workspace, as the doctor finds it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kmflow_orchestration.clock import SystemClock, utc_day
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context, GroupContext
from kmflow_orchestration.databricks_client.connect import connect
from kmflow_orchestration.databricks_client.retries import RetryPolicy
from kmflow_orchestration.doctor.diagnose import diagnose
from kmflow_orchestration.doctor.findings import Checked
from kmflow_orchestration.doctor.patient import Patient
from kmflow_orchestration.intake.arrivals import sweep_all
from kmflow_orchestration.intake.ledger import Step
from kmflow_orchestration.names import GroupId, Namespace
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.operations.publish_bronze import publish_bronze
from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration.workspace.seeding import seed_group
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.embedded import Room, embedded_server, fresh_room

__all__ = ["embedded_server"]

ACME = GroupId("acme")
CATALOG, SCHEMA, PRINCIPAL = "kmflow", "acme_evidence", "acme-service"


@dataclass
class Ward:
    """Where group acme works: a room of the workspace, a home, and one file taken in."""

    room: Room
    token: str
    context: Context

    @property
    def variable(self) -> str:
        """The variable of the environment that holds acme's token."""
        return f"WARD_TOKEN_{self.room.admin.workspace_id}"

    def close(self) -> None:
        """Close all that was opened."""
        self.context.close()
        os.environ.pop(self.variable, None)

    @property
    def acme(self) -> GroupContext:
        return self.context.group(ACME)

    def patient(self, **changes: Any) -> Patient:
        """As the context makes it, or with other settings of the group."""
        own = self.acme.patient
        if not changes:
            return own
        config = replace(own.config, **changes)
        policy = RetryPolicy(attempts=1)
        opening = partial(connect, config, clock=self.context.clock, retry_policy=policy)
        return Patient(
            config,
            replace(own.ways, connect=opening),
            clock=own.clock,
            backend=own.backend,
            is_local=own.is_local,
            landing_root=own.landing_root,
            evidence_root=own.evidence_root,
        )

    def found(self, check: str, **changes: Any) -> Checked:
        """What one check says, after those it needs."""
        asked = diagnose(self.patient(**changes), only=[check]).checks
        return next(one for one in asked if one.id == check)

    def sql(self, statement: str) -> None:
        """Run by the group itself."""
        self.acme.lakehouse.execute(statement)

    def take_in(self, name: str, text: str, *, with_rows: bool = True) -> str:
        """A landing file, stored and, if wished, with its rows; its stored path."""
        place = self.acme.landing_root / "loans" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        os.utime(place, (1_000_000_000, 1_000_000_000))
        today = utc_day(self.context.clock.now())
        sweep_all(ACME, self.acme.landing_root, ledger=self.context.ledger, clock=SystemClock())
        store_batch(ACME, today, **self.acme.storing())
        if with_rows:
            for batch in publish_bronze(ACME, today, **self.acme.recording()).batches:
                self.context.ledger.finish_step(ACME, batch, Step.DATASETS)
        (item,) = [
            one for one in self.context.register.items(ACME, limit=100) if one.file_name == name
        ]
        return item.stored_path


def admit(server: Any, home: Path, database_url: str, *, is_seeded: bool = True) -> Ward:
    """Acme in a fresh room, with no privilege more than it needs and all its tables; or, not
    seeded, with the right to make everything and nothing made."""
    opened = fresh_room(server)
    token = f"token-of-the-ward-{opened.admin.workspace_id}"
    seed_group(
        server,
        opened.admin,
        principal=PRINCIPAL,
        token=token,
        catalog=CATALOG,
        schemas=Namespace(CATALOG, SCHEMA).schemas if is_seeded else (),
        volumes=(f"{SCHEMA}.raw_evidence",) if is_seeded else (),
    )
    settings = load_settings(
        home=str(home), storage_backend="databricks", database_url=database_url
    )
    context = Context(settings)
    ward = Ward(opened, token, context)
    os.environ[ward.variable] = token
    values = {
        "catalog": CATALOG,
        "schema": SCHEMA,
        "workspace_url": opened.url,
        "warehouse_id": server.services.warehouses.default_id(opened.admin.workspace_id),
        "token": f"env:{ward.variable}",
        "allow_insecure_loopback": True,
    }
    context.group_configs.save(ACME, parse_group(ACME, values), "a person")
    ward.acme.landing_root.mkdir(parents=True)
    if is_seeded:
        calls = context.clients.get(ward.acme.config)
        provision(ward.acme.config, ward.acme.lakehouse, calls)
    return ward


@pytest.fixture(scope="module")
def ward(
    embedded_server: Any,
    tmp_path_factory: pytest.TempPathFactory,
    control_databases: ControlDatabases,
) -> Iterator[Ward]:
    """One for the tests of a module, each of which puts back what it changed."""
    home = tmp_path_factory.mktemp("ward")
    made = admit(embedded_server, home, control_databases.new(home / "control.db"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _no_faults(embedded_server: Any) -> Iterator[None]:
    yield
    embedded_server.faults.clear()
