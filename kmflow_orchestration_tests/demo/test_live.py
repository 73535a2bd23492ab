"""`make dev` keeps its promise: drop a file in, and Dagster's own daemon takes it to its score."""

from __future__ import annotations

import json
import signal
import time
from datetime import UTC, datetime, timedelta
from urllib.request import Request, urlopen

import pytest

from kmflow_orchestration.resources import asset_keys as keys
from kmflow_orchestration_tests.demo.test_development import develop, free_port

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("live_dev")]
# A tick every 30 s, a process for each run, and a profile's cron of two minutes.
PATIENCE_S = 600.0
LOOK_S = 2.0
INVOICES = "invoice_id,amount,city\n" + "".join(
    f"{n},{n * 1.5},{'N/A' if n < 10 else 'Bern'}\n" for n in range(1, 41)
)
MATERIALIZED = """query Materialized($key: AssetKeyInput!) {
  assetOrError(assetKey: $key) {
    ... on Asset { assetMaterializations(limit: 50) { partition runId } }
  }
}"""
RUNS = """{ runsOrError(filter: {statuses: [%s]}) {
  ... on Runs { results { runId status tags { key value } } } } }"""
SENSORS = """query Sensors($of: RepositorySelector!) { sensorsOrError(repositorySelector: $of) {
  ... on Sensors { results { name sensorState { status } } } } }"""
REPOSITORIES = """{ repositoriesOrError {
  ... on RepositoryConnection { nodes { name location { name } } } } }"""

LAUNCH = """mutation Launch($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } } }"""
TERMINATE = """mutation Terminate($run: String!) { terminateRun(runId: $run) { __typename } }"""
STATUS = """query Status($run: ID!) { runOrError(runId: $run) { ... on Run {
  status stepStats { stepKey status attempts { startTime } } } } }"""


class Live:
    """A running `kmflow dev`, asked through Dagster's own pages' interface."""

    def __init__(self, home, port: int) -> None:
        self.home, self.port = home, port
        self.process = develop(str(home), port)
        assert self.process.stdout is not None
        said: list[str] = []
        for line in self.process.stdout:
            said.append(line)
            if "Ctrl-C" in line:
                break
        assert "Ctrl-C" in "".join(said), "".join(said)
        self.give_up_at = time.monotonic() + PATIENCE_S

    def drop(self, group: str, path: str, text: str) -> None:
        file = self.home / "landing" / group / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def ask(self, query: str, **variables) -> dict:
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json"}
        request = Request(f"http://127.0.0.1:{self.port}/graphql", body, headers)
        with urlopen(request, timeout=30) as answer:
            told = json.load(answer)
        assert "errors" not in told, told
        return told["data"]

    def partitions(self, key) -> set[str]:
        """Partitions of an asset that are materialized."""
        found = self.ask(MATERIALIZED, key={"path": key.path})["assetOrError"]
        return {one["partition"] for one in found.get("assetMaterializations", ())}

    def await_materialized(self, key, partitions: set[str]) -> None:
        while not self.partitions(key) & partitions:
            assert self.process.poll() is None
            assert time.monotonic() < self.give_up_at, f"{key.to_user_string()} did not appear"
            time.sleep(LOOK_S)

    def runs(self, statuses: str) -> list[dict]:
        return self.ask(RUNS % statuses)["runsOrError"]["results"]

    def repository(self) -> dict[str, str]:
        """What Dagster's pages name our definitions by."""
        (found,) = self.ask(REPOSITORIES)["repositoriesOrError"]["nodes"]
        return {
            "repositoryName": found["name"],
            "repositoryLocationName": found["location"]["name"],
        }

    def sensors(self) -> dict[str, str]:
        """Whether each sensor runs."""
        told = self.ask(SENSORS, of=self.repository())["sensorsOrError"]["results"]
        return {one["name"]: one["sensorState"]["status"] for one in told}

    def launch(self, key, partition: str) -> str:
        """A click on "Materialize"; the run's id."""
        selector = self.repository() | {
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": key.path}],
        }
        tags = [
            {"key": "dagster/partition", "value": partition},
            {"key": "kmflow/group", "value": partition.split("|", maxsplit=1)[0]},
        ]
        params = {"selector": selector, "mode": "default", "executionMetadata": {"tags": tags}}
        told = self.ask(LAUNCH, params=params)["launchRun"]
        assert told["__typename"] == "LaunchRunSuccess", told
        return told["run"]["runId"]

    def run(self, run_id: str) -> dict:
        return self.ask(STATUS, run=run_id)["runOrError"]

    def await_true(self, reached, what: str) -> None:
        while not reached():
            assert time.monotonic() < self.give_up_at, what
            time.sleep(0.2)

    def workspace(self, method: str, path: str, token: str, **body) -> dict:
        """A request to the embedded workspace, by one of this home's tokens."""
        port = json.loads((self.home / "ports.json").read_text())["workspace"]
        secret = (self.home / "secrets" / token).read_text().strip()
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        content = json.dumps(body).encode() if body else None
        url = f"http://127.0.0.1:{port}{path}"
        with urlopen(Request(url, content, headers, method=method), timeout=30) as answer:
            return json.loads(answer.read() or b"{}")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    running = Live(tmp_path_factory.mktemp("live"), free_port())
    yield running
    running.stop()


@pytest.fixture(scope="module")
def days(live):
    """Keys of the day the file is received on, and of the next: midnight may come between."""
    today = datetime.now(UTC).date()
    live.drop("acme", "billing/invoices.csv", INVOICES)
    return {f"acme|{day}" for day in (today, today + timedelta(days=1))}


def test_the_sensors_run_by_themselves(live):
    assert live.sensors() == {
        "evidence_arrival": "RUNNING",
        "profiling_cron": "RUNNING",
        "profile_completion": "RUNNING",
        "kmflow_automation": "RUNNING",
    }


@pytest.mark.parametrize("key", [*keys.INTAKE, *keys.SILVER], ids=lambda key: key.path[-1])
def test_a_dropped_file_arrives(live, days, key):
    live.await_materialized(key, days)


def test_its_group_gets_its_scores_in_gold(live, days):
    live.await_materialized(keys.GOLD_SCORE_HISTORY, {"acme"})


@pytest.mark.parametrize("key", [keys.PROFILE_RUN, *keys.PROFILE_OUTCOME], ids=lambda k: k.path[-1])
def test_its_table_is_profiled(live, days, key):
    live.await_materialized(key, {"acme|billing"})


def test_no_run_failed(live, days):
    assert live.runs("FAILURE, CANCELED") == []


def test_a_run_cancelled_in_dagster_ends_and_is_not_tried_again(live, days):
    """Its statement waits for a warehouse that takes ten minutes to start."""
    live.await_materialized(keys.GOLD_SCORE_HISTORY, {"acme"})
    live.await_materialized(keys.QUALITY_SCORES, {"acme|billing"})
    live.await_true(lambda: not live.runs("QUEUED, STARTING, STARTED"), "other runs went on")
    live.give_up_at = time.monotonic() + 120
    warehouses = "/api/2.0/sql/warehouses"
    (one,) = live.workspace("GET", warehouses, "acme.token")["warehouses"]
    live.workspace("POST", f"{warehouses}/{one['id']}/stop", "acme.token", id=one["id"])
    fault = {"name": "cold_warehouse", "seconds": 600}
    live.workspace("POST", "/__kmflow/faults", "workspace-admin.token", **fault)

    def warehouse() -> str:
        return live.workspace("GET", f"{warehouses}/{one['id']}", "acme.token")["state"]

    run_id = live.launch(keys.PROFILE_RUN, "acme|billing")
    live.await_true(lambda: live.run(run_id)["stepStats"], "its step did not start")
    live.await_true(lambda: warehouse() == "STARTING", "no statement came")
    live.ask(TERMINATE, run=run_id)
    live.await_true(lambda: live.run(run_id)["status"] == "CANCELED", "it was not cancelled")

    (step,) = live.run(run_id)["stepStats"]
    assert len(step["attempts"]) == 1
