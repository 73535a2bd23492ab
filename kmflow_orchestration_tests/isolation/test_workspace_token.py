"""acme's token in the hands of somebody with the plain SDK: only grants stand in the way."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import DatabricksError, NotFound, PermissionDenied
from databricks.sdk.service.jobs import JobSettings, PythonWheelTask, Task
from databricks.sdk.service.sql import StatementState

from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.embedded import GroupInRoom, Room, client_for, fresh_room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom

FILE = "/Volumes/kmflow/globex_evidence/raw_evidence/evidence_store/e1/secret.csv"
FOLDER = FILE.rpartition("/")[0]
TABLE = "kmflow.globex_evidence.secret"
WHEEL = PythonWheelTask(package_name="tiny", entry_point="main")
TASK = Task(task_key="profile", python_wheel_task=WHEEL, existing_cluster_id="0101-000000-abcdefgh")


class Neighbours:
    """globex with a file, a table and a job; acme with nothing but its token."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.groups = GroupsInRoom(room)
        for name in ("acme", "globex"):
            self.groups.config(name)
        self.acme, self.globex = self.client("acme"), self.client("globex")
        (warehouse,) = self.globex.warehouses.list()
        self.warehouse = str(warehouse.id)
        self.globex.files.upload(FILE, io.BytesIO(b"of globex"))
        self.sql(self.globex, f"CREATE TABLE {TABLE} (k STRING)")
        self.sql(self.globex, f"INSERT INTO {TABLE} VALUES ('of globex')")
        self.job = int(self.globex.jobs.create(name="profile", tasks=[TASK]).job_id or 0)
        room.server.faults.add(Fault("run_ends", path="*", times=1))
        self.run = int(self.globex.jobs.run_now(self.job).run_id or 0)
        tasks = self.globex.jobs.get_run(self.run).tasks or []
        self.task_run = int(tasks[0].run_id or 0)

    def client(self, group: str) -> WorkspaceClient:
        return client_for(self.room.url, self.groups.environment[f"TOKEN_{group}"])

    def sql(self, client: WorkspaceClient, statement: str) -> object:
        answer = client.statement_execution.execute_statement(statement, self.warehouse)
        assert answer.status is not None
        if answer.status.state is not StatementState.SUCCEEDED:
            message = answer.status.error.message if answer.status.error else ""
            raise PermissionDenied(message)
        return answer.result.data_array if answer.result else None

    def all_there_is(self) -> object:
        with self.globex.files.download(FILE).contents as body:  # type: ignore[union-attr]
            content = body.read()
        return (
            content,
            [entry.path for entry in self.globex.files.list_directory_contents(FOLDER)],
            self.sql(self.globex, f"SELECT * FROM {TABLE}"),
            [table.name for table in self.globex.tables.list("kmflow", "globex_evidence")],
            [(job.job_id, job.settings and job.settings.name) for job in self.globex.jobs.list()],
            self.globex.jobs.get_run(self.run).as_dict(),
            [run.run_id for run in self.globex.jobs.list_runs()],
        )


@pytest.fixture(scope="module")
def neighbours(embedded_server) -> Iterator[Neighbours]:
    made = Neighbours(fresh_room(embedded_server))
    yield made
    made.groups.close()


WAYS: dict[str, Callable[[Neighbours], object]] = {
    "download": lambda n: n.acme.files.download(FILE),
    "download, dotted": lambda n: n.acme.files.download(
        "/Volumes/kmflow/acme_evidence/raw_evidence/../../globex_evidence/raw_evidence/x"
    ),
    "download, other case": lambda n: n.acme.files.download(FILE.replace("globex", "GLOBEX")),
    "size": lambda n: n.acme.files.get_metadata(FILE),
    "overwrite": lambda n: n.acme.files.upload(FILE, io.BytesIO(b"x"), overwrite=True),
    "upload beside": lambda n: n.acme.files.upload(f"{FOLDER}/new.csv", io.BytesIO(b"x")),
    "delete": lambda n: n.acme.files.delete(FILE),
    "list": lambda n: list(n.acme.files.list_directory_contents(FOLDER)),
    "make folder": lambda n: n.acme.files.create_directory(f"{FOLDER}/new"),
    "delete folder": lambda n: n.acme.files.delete_directory(FOLDER),
    "describe table": lambda n: n.acme.tables.get(TABLE),
    "drop table": lambda n: n.acme.tables.delete(TABLE),
    "make schema": lambda n: n.acme.schemas.create("globex2", "kmflow"),
    "read volume": lambda n: n.acme.volumes.read("kmflow.globex_evidence.raw_evidence"),
    "select": lambda n: n.sql(n.acme, f"SELECT * FROM {TABLE}"),
    "select hidden": lambda n: n.sql(n.acme, f"SELECT (SELECT max(k) FROM {TABLE}) AS k"),
    "select a file": lambda n: n.sql(n.acme, f"SELECT * FROM csv.`{FILE}`"),
    "insert": lambda n: n.sql(n.acme, f"INSERT INTO {TABLE} VALUES ('x')"),
    "delete rows": lambda n: n.sql(n.acme, f"DELETE FROM {TABLE}"),
    "drop": lambda n: n.sql(n.acme, f"DROP TABLE {TABLE}"),
    "grant": lambda n: n.sql(n.acme, f"GRANT SELECT ON TABLE {TABLE} TO `acme-service`"),
    "see job": lambda n: n.acme.jobs.get(n.job),
    "run job": lambda n: n.acme.jobs.run_now(n.job),
    "change job": lambda n: n.acme.jobs.reset(n.job, JobSettings(name="x", tasks=[TASK])),
    "see run": lambda n: n.acme.jobs.get_run(n.run),
    "read a run's output": lambda n: n.acme.jobs.get_run_output(n.task_run),
    "cancel run": lambda n: n.acme.jobs.cancel_run(n.run).result(),
    "other token's work": lambda n: client_for(n.room.url, "guessed").current_user.me(),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_workspace_refuses_and_nothing_changes(neighbours: Neighbours, way) -> None:
    before = neighbours.all_there_is()

    with pytest.raises(DatabricksError):
        way(neighbours)

    assert neighbours.all_there_is() == before


def test_lists_do_not_even_name_the_neighbours_things(neighbours: Neighbours) -> None:
    acme = neighbours.acme
    seen = [
        *(schema.name for schema in acme.schemas.list("kmflow")),
        *(job.job_id for job in acme.jobs.list()),
        *(run.run_id for run in acme.jobs.list_runs()),
    ]
    theirs = {neighbours.job, neighbours.run}

    assert not [name for name in seen if "globex" in str(name) or name in theirs]
    for listing in (
        lambda: list(acme.tables.list("kmflow", "globex_evidence")),
        lambda: list(acme.volumes.list("kmflow", "globex_evidence")),
    ):
        try:
            assert listing() == []
        except (PermissionDenied, NotFound):
            continue


def test_a_statement_of_a_neighbour_is_nobody_elses_to_read(neighbours: Neighbours) -> None:
    done = neighbours.globex.statement_execution.execute_statement("SELECT 1", neighbours.warehouse)
    assert done.statement_id is not None

    with pytest.raises(DatabricksError):
        neighbours.acme.statement_execution.get_statement(done.statement_id)


def test_a_token_of_one_workspace_is_unknown_in_the_next(embedded_server, neighbours) -> None:
    other: GroupInRoom = fresh_room(embedded_server).group("acme")

    with pytest.raises(DatabricksError):
        other.client().files.download(FILE)
