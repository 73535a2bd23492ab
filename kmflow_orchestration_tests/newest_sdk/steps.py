"""What our users do with the SDK, step by step; runs where only databricks-sdk is installed.

Prints the SDK's version and a line for each step; the first that fails ends with exit code 1.
So does a step in which the SDK warned, or had to move a file another way than it wanted.
"""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.credentials_provider import CredentialsStrategy
from databricks.sdk.errors import (
    AlreadyExists,
    BadRequest,
    DatabricksError,
    InvalidParameterValue,
    NotFound,
    PermissionDenied,
    ResourceDoesNotExist,
    Unauthenticated,
)
from databricks.sdk.service import catalog, compute, jobs, sql
from databricks.sdk.version import __version__

VOLUME = "/Volumes/acme/main/evidence"
MIB = 1024 * 1024
ENDED = {sql.StatementState.SUCCEEDED, sql.StatementState.FAILED, sql.StatementState.CANCELED}
STEPS: dict[str, Callable[[], None]] = {}


def step(work: Callable[[], None]) -> Callable[[], None]:
    STEPS[work.__name__] = work
    return work


class Noticed(logging.Handler):
    """What the SDK warned about, and every way of moving files that it gave up for another."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING or record.name.startswith("databricks.sdk.mixins"):
            self.said.append(record.getMessage())


NOTICED = Noticed()


def client(profile: str = "acme") -> WorkspaceClient:
    return WorkspaceClient(config=Config(profile=profile, retry_timeout_seconds=10))


def expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise AssertionError(f"{found!r} is not {wanted!r}")


@contextmanager
def refused(kind: type[DatabricksError], code: str = "") -> Iterator[None]:
    """The block must end with exactly this class of error, whatever the SDK tried first."""
    before = len(NOTICED.said)
    try:
        yield
    except DatabricksError as error:
        expect(type(error), kind)
        if code:
            expect(error.error_code, code)
        del NOTICED.said[before:]
        return
    raise AssertionError(f"{kind.__name__} was expected")


# Who and where


@step
def host_metadata_is_read_before_anything_else() -> None:
    workspace = client()
    expect(workspace.config.account_id, "embedded")
    expect(str(workspace.get_workspace_id()), workspace.config.workspace_id)


@step
def each_profile_is_its_own_principal() -> None:
    names = [client(one).current_user.me().user_name for one in ("DEFAULT", "acme", "globex")]
    expect(names, ["workspace-admin", "sp-acme", "sp-globex"])


class NoCredentials(CredentialsStrategy):
    """Sends requests without a word about who sends them."""

    def auth_type(self) -> str:
        return "none"

    def __call__(self, _config: Config) -> Callable[[], dict[str, str]]:
        return dict


@step
def who_has_no_token_or_a_wrong_one_is_told_so() -> None:
    host = client().config.host
    wrong = Config(host=host, token="nobody", auth_type="pat", retry_timeout_seconds=1)
    with refused(PermissionDenied):
        WorkspaceClient(config=wrong).current_user.me()
    none = Config(host=host, credentials_strategy=NoCredentials(), retry_timeout_seconds=1)
    with refused(Unauthenticated):
        WorkspaceClient(config=none).current_user.me()


# Files


@step
def a_small_file_goes_up_and_comes_back() -> None:
    files = client().files
    path = f"{VOLUME}/small/loans 1%.csv"
    files.upload(path, io.BytesIO(b"id\n1\n"), overwrite=True)
    expect(files.download(path).contents.read(), b"id\n1\n")
    expect(files.get_metadata(path).content_length, 5)
    with refused(AlreadyExists):
        files.upload(path, io.BytesIO(b"other"), overwrite=False)
    expect(files.download(path).contents.read(), b"id\n1\n")


@step
def local_files_go_both_ways() -> None:
    files = client().files
    content = bytes(range(256)) * 4096
    with tempfile.TemporaryDirectory() as folder:
        here, back = Path(folder, "here.bin"), Path(folder, "back.bin")
        here.write_bytes(content)
        files.upload_from(f"{VOLUME}/local.bin", str(here), overwrite=True)
        files.download_to(f"{VOLUME}/local.bin", str(back))
        expect(back.read_bytes(), content)


class Stream(io.RawIOBase):
    """A body that cannot be rewound, such as a pipe."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: Any) -> int:
        return self._content.readinto(buffer)


@step
def a_stream_that_cannot_be_rewound_goes_up() -> None:
    files = client().files
    content = b"0123456789abcdef" * (MIB // 16)
    files.upload(f"{VOLUME}/stream.bin", io.BufferedReader(Stream(content)), overwrite=True)
    expect(files.download(f"{VOLUME}/stream.bin").contents.read(), content)


@step
def a_large_file_goes_up_in_parts() -> None:
    files = client().files
    content = hashlib.sha256(b"part").digest() * (60 * MIB // 32)
    files.upload(f"{VOLUME}/large.bin", io.BytesIO(content), overwrite=True)
    stored = hashlib.sha256(files.download(f"{VOLUME}/large.bin").contents.read()).hexdigest()
    expect(stored, hashlib.sha256(content).hexdigest())
    files.delete(f"{VOLUME}/large.bin")


@step
def folders_are_listed_and_removed() -> None:
    files = client().files
    folder = f"{VOLUME}/folder"
    files.create_directory(f"{folder}/inner")
    for number in range(3):
        files.upload(f"{folder}/{number}.txt", io.BytesIO(b"x" * number), overwrite=True)
    listed = {(one.name, one.is_directory) for one in files.list_directory_contents(folder)}
    expect(listed, {("inner", True), *((f"{number}.txt", False) for number in range(3))})
    for number in range(3):
        files.delete(f"{folder}/{number}.txt")
    files.delete_directory(f"{folder}/inner")
    files.delete_directory(folder)
    with refused(NotFound):
        list(files.list_directory_contents(folder))


@step
def a_file_that_is_not_there_is_not_found() -> None:
    files = client().files
    with refused(NotFound):
        files.download(f"{VOLUME}/nothing.csv")
    with refused(NotFound):
        files.get_metadata(f"{VOLUME}/nothing.csv")


@step
def a_neighbours_volume_is_refused() -> None:
    theirs = "/Volumes/globex/main/evidence/a.csv"
    client("globex").files.upload(theirs, io.BytesIO(b"x"), overwrite=True)
    with refused(PermissionDenied):
        client().files.download(theirs)
    with refused(PermissionDenied):
        client().files.upload(theirs, io.BytesIO(b"y"), overwrite=True)


# SQL


def warehouse() -> str:
    (only,) = client().warehouses.list()
    return str(only.id)


def answer(statement: str, **arguments: Any) -> sql.StatementResponse:
    """A statement, polled to its end."""
    execution = client().statement_execution
    told = execution.execute_statement(
        statement=statement, warehouse_id=warehouse(), wait_timeout="0s", **arguments
    )
    while told.status.state not in ENDED:
        time.sleep(0.02)
        told = execution.get_statement(told.statement_id)
    return told


@step
def a_warehouse_is_listed_and_looked_at() -> None:
    found = client().warehouses.get(warehouse())
    expect(found.odbc_params.path, f"/sql/1.0/warehouses/{found.id}")
    client().warehouses.start(found.id).result()


@step
def a_statement_with_parameters_is_polled_to_its_rows() -> None:
    told = answer(
        "SELECT :name AS name, :count + 1 AS next, :nothing AS nothing",
        parameters=[
            sql.StatementParameterListItem(name="name", value="O'Brien"),
            sql.StatementParameterListItem(name="count", value="41", type="INT"),
            sql.StatementParameterListItem(name="nothing", type="STRING"),
        ],
    )
    expect(told.status.state, sql.StatementState.SUCCEEDED)
    expect(told.result.data_array, [["O'Brien", "42", None]])
    expect([one.name for one in told.manifest.schema.columns], ["name", "next", "nothing"])


@step
def a_table_is_made_filled_and_read() -> None:
    for statement in (
        "CREATE TABLE IF NOT EXISTS acme.main.rates (id INT, rate DOUBLE) USING DELTA",
        "INSERT OVERWRITE acme.main.rates SELECT 1, 0.5",
    ):
        expect(answer(statement).status.state, sql.StatementState.SUCCEEDED)
    told = answer("SELECT * FROM rates", catalog="acme", schema="main")
    expect(told.result.data_array, [["1", "0.5"]])


@step
def a_statement_that_fails_says_why() -> None:
    told = answer("SELECT * FROM acme.main.nothing_here")
    expect(told.status.state, sql.StatementState.FAILED)
    expect("TABLE_OR_VIEW_NOT_FOUND" in told.status.error.message, True)
    with refused(NotFound):
        client().statement_execution.get_statement("00000000-0000-0000-0000-000000000000")


# Unity Catalog


@step
def the_catalog_is_listed_as_far_as_one_may_see_it() -> None:
    mine = client()
    expect("acme" in [one.name for one in mine.catalogs.list()], True)
    expect("globex" in [one.name for one in mine.catalogs.list()], False)
    expect("main" in [one.name for one in mine.schemas.list("acme")], True)
    expect([one.name for one in mine.volumes.list("acme", "main")], ["evidence"])
    expect("rates" in [one.name for one in mine.tables.list("acme", "main")], True)
    expect(mine.tables.exists("acme.main.rates").table_exists, True)
    expect(mine.tables.exists("acme.main.nothing").table_exists, False)
    expect(mine.volumes.read("acme.main.evidence").volume_type, catalog.VolumeType.MANAGED)


@step
def schemas_and_volumes_come_and_go() -> None:
    mine = client()
    mine.schemas.create(name="passing", catalog_name="acme")
    with refused(BadRequest, "SCHEMA_ALREADY_EXISTS"):
        mine.schemas.create(name="passing", catalog_name="acme")
    mine.volumes.create("acme", "passing", "box", catalog.VolumeType.MANAGED)
    mine.volumes.delete("acme.passing.box")
    mine.schemas.delete("acme.passing")
    with refused(NotFound, "SCHEMA_DOES_NOT_EXIST"):
        mine.schemas.get("acme.passing")


@step
def a_grant_opens_a_schema_and_is_listed() -> None:
    admin = client("DEFAULT")
    change = catalog.PermissionsChange(
        principal="sp-globex", add=[catalog.Privilege.USE_SCHEMA, catalog.Privilege.SELECT]
    )
    admin.grants.update("SCHEMA", "acme.main", changes=[change])
    granted = admin.grants.get("SCHEMA", "acme.main").privilege_assignments or []
    expect("sp-globex" in [one.principal for one in granted], True)
    undo = catalog.PermissionsChange(principal="sp-globex", remove=change.add)
    admin.grants.update("SCHEMA", "acme.main", changes=[undo])


# Jobs


def wheel(source: str) -> bytes:
    """A wheel of one module `tiny` with the entry point `main`."""
    info = "tiny-1.0.dist-info"
    files = {
        "tiny.py": source,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[jobs]\nmain = tiny:main\n",
    }
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()},"
        for name, text in files.items()
    ]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": "\n".join(record)}.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def make_job(source: str) -> int:
    mine, path = client(), f"{VOLUME}/wheels/tiny-1.0-py3-none-any.whl"
    mine.files.upload(path, io.BytesIO(wheel(source)), overwrite=True)
    task = jobs.Task(
        task_key="main",
        environment_key="default",
        python_wheel_task=jobs.PythonWheelTask(
            package_name="tiny", entry_point="main", parameters=["{{job.parameters.word}}"]
        ),
    )
    environment = compute.Environment(environment_version="4", dependencies=[path])
    made = mine.jobs.create(
        name="tiny",
        tasks=[task],
        environments=[jobs.JobEnvironment("default", environment)],
        parameters=[jobs.JobParameterDefinition(name="word", default="nothing")],
    )
    return int(made.job_id)


@step
def a_job_is_made_run_once_and_tells_its_output() -> None:
    mine = client()
    job_id = make_job("import sys\ndef main():\n    print('word', *sys.argv[1:])\n")
    expect(mine.jobs.get(job_id).settings.name, "tiny")
    asked = {"idempotency_token": "once", "job_parameters": {"word": "hello"}}
    waiters = [mine.jobs.run_now(job_id, **asked) for _ in range(2)]
    expect(waiters[0].run_id, waiters[1].run_id)
    run = waiters[0].result()
    expect(run.state.result_state, jobs.RunResultState.SUCCESS)
    (task,) = run.tasks
    expect(mine.jobs.get_run_output(task.run_id).logs, "word hello\n")
    expect([one.run_id for one in mine.jobs.list_runs(job_id=job_id)], [run.run_id])
    expect(job_id in [one.job_id for one in mine.jobs.list(name="tiny")], True)
    mine.jobs.delete(job_id)


@step
def a_job_that_fails_leaves_its_trace() -> None:
    mine = client()
    job_id = make_job("def main():\n    raise ValueError('boom')\n")
    run = mine.jobs.run_now(job_id).result()
    expect(run.state.result_state, jobs.RunResultState.FAILED)
    told = mine.jobs.get_run_output(run.tasks[0].run_id)
    expect("ValueError: boom" in (told.error_trace or ""), True)
    mine.jobs.delete(job_id)


@step
def a_job_of_nobody_does_not_exist() -> None:
    for call in (client().jobs.get, client().jobs.get_run):
        with refused(ResourceDoesNotExist, "INVALID_PARAMETER_VALUE"):
            call(424242424242)
    with refused(InvalidParameterValue):
        client().jobs.run_now(424242424242)


@step
def a_neighbours_job_is_refused() -> None:
    job_id = make_job("def main():\n    pass\n")
    with refused(PermissionDenied):
        client("globex").jobs.get(job_id)
    client().jobs.delete(job_id)


def main(chosen: list[str]) -> int:
    """Run the steps in order, or those whose names are given."""
    logging.getLogger("databricks.sdk").addHandler(NOTICED)
    logging.getLogger("databricks.sdk").setLevel(logging.INFO)
    say(f"databricks-sdk {__version__}")
    for name, work in STEPS.items():
        if chosen and name not in chosen:
            continue
        begun = time.monotonic()
        try:
            work()
            expect(NOTICED.said, [])
        except Exception:  # noqa: BLE001 - whatever a step meets is its failure
            say(f"FAILED {name}\n{traceback.format_exc()}{NOTICED.said}")
            return 1
        say(f"ok     {name} ({time.monotonic() - begun:.1f} s)")
    return 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
