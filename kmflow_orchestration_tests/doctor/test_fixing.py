"""`--fix` makes what is missing, once, and nothing else; what to install without the SDK."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk.service.catalog import PermissionsChange, Privilege

from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.doctor.compute_checks import runtime_finding, token_finding
from kmflow_orchestration.doctor.diagnose import diagnose
from kmflow_orchestration.doctor.findings import gravest
from kmflow_orchestration.errors import InvalidSettings
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.doctor.conftest import (
    ACME,
    CATALOG,
    PRINCIPAL,
    SCHEMA,
    Ward,
    admit,
)

pytestmark = pytest.mark.xdist_group("doctor")

WITHOUT_SDK = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "databricks" or name.startswith("databricks."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from kmflow_orchestration.cli.main import main
sys.exit(main(["doctor", "--group", "acme", "--json"]))
"""


@pytest.fixture(scope="module")
def bare(
    embedded_server: Any,
    tmp_path_factory: pytest.TempPathFactory,
    control_databases: ControlDatabases,
) -> Iterator[Ward]:
    """A group that may make everything, for which nothing is made."""
    home = tmp_path_factory.mktemp("bare")
    database = control_databases.new(home / "control.db")
    made = admit(embedded_server, home, database, is_seeded=False)
    yield made
    made.close()


def test_what_is_missing_is_made_and_then_found(bare: Ward) -> None:
    before = diagnose(bare.patient())
    mended = diagnose(bare.patient(), fix=True)
    again = diagnose(bare.patient(), fix=True)

    assert {one.id for one in before.checks if one.status == "fail"} == {"objects"}
    assert (before.exit_code(), before.made) == (5, ())
    kinds = [one.kind for one in mended.made]
    assert (kinds.count("schema"), kinds.count("volume")) == (5, 1)
    assert {one.action for one in mended.made} == {"created"}
    assert mended.exit_code() == again.exit_code() == 0
    assert again.made == ()


def test_who_made_it_owns_it_and_that_is_told(bare: Ward) -> None:
    diagnose(bare.patient(), fix=True)
    found = bare.found("too_broad")

    assert found.status == "warn"
    assert f"ALTER VOLUME `{CATALOG}`.`{SCHEMA}`.`raw_evidence` OWNER TO" in found.fix
    assert diagnose(bare.patient(), only=["too_broad"]).exit_code(strict=True) == 1


def test_what_may_not_be_made_says_which_grant_it_needs(bare: Ward) -> None:
    catalog = bare.room.server.services.catalog
    diagnose(bare.patient(), fix=True)
    catalog.drop(bare.room.admin, "SCHEMA", f"{CATALOG}.{SCHEMA}_dq", cascade=True)
    client = bare.room.admin_client()

    def changed(**how: Any) -> None:
        change = PermissionsChange(principal=PRINCIPAL, **how)
        client.grants.update("catalog", CATALOG, changes=[change])

    changed(remove=[Privilege.CREATE_SCHEMA])
    found = diagnose(bare.patient(), only=["objects"], fix=True)
    changed(add=[Privilege.CREATE_SCHEMA])

    (failed,) = [one for one in found.made if one.kind == "schema"]
    assert (failed.action, found.exit_code()) == ("failed", 5)
    assert f"GRANT USE CATALOG, CREATE SCHEMA ON CATALOG `{CATALOG}`" in failed.message
    assert diagnose(bare.patient(), only=["objects"], fix=True).exit_code() == 0


def test_without_the_sdk_it_says_what_to_install(tmp_path: Path) -> None:
    with Context(load_settings(home=str(tmp_path))) as context:
        context.migrate()
        values = {
            "catalog": "kmflow",
            "schema": "acme",
            "workspace_url": "https://acme.cloud.databricks.com",
            "warehouse_id": "0123456789abcdef",
            "token": "env:NOWHERE",
        }
        context.group_configs.save(ACME, parse_group(ACME, values), "a person")
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_SDK],
        env={"KMFLOW_HOME": str(tmp_path), "STORAGE_BACKEND": "databricks", "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    checks = {one["id"]: one for one in json.loads(ran.stdout)["groups"]["acme"]["checks"]}
    assert checks["sdk"]["status"] == "fail", ran.stderr
    assert checks["sdk"]["fix"] == "pip install 'kmflow_orchestration[orchestrator]'"
    assert checks["sign_in"]["evidence"] == "needs sdk, which failed"
    assert ran.returncode == 3


def test_an_unknown_check_is_refused(bare: Ward) -> None:
    with pytest.raises(InvalidSettings, match="there is no check 'heart'"):
        diagnose(bare.patient(), only=["heart"])


@pytest.mark.parametrize(
    ("spark_version", "status"),
    [
        ("12.2.x-scala2.12", "fail"),
        ("13.2.x", "fail"),
        ("13.3.x-photon-scala2.12", "pass"),
        ("15.4.x", "pass"),
        ("custom:dev", "warn"),
        ("", "warn"),
    ],
)
def test_runtimes_from_13_3_on_are_new_enough(spark_version: str, status: str) -> None:
    assert runtime_finding("c", spark_version).status == status


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.mark.parametrize(
    ("infos", "status", "words"),
    [
        ([], "pass", "without an end"),
        ([{"expiry_time": -1}], "pass", "without an end"),
        ([{"expiry_time": ms(NOW - timedelta(hours=1))}], "warn", "a token ended at"),
        ([{"expiry_time": ms(NOW + timedelta(hours=1))}], "warn", "in 0 day(s)"),
        ([{"expiry_time": ms(NOW + timedelta(days=15))}], "pass", "the first ends on 2026-12-05"),
        ([{"creation_time": ms(NOW - timedelta(days=91))}], "warn", "91 days old"),
        ([{"creation_time": ms(NOW), "expiry_time": "soon"}], "pass", "without an end"),
    ],
)
def test_tokens_are_judged_by_age_and_end(
    infos: list[dict[str, Any]], status: str, words: str
) -> None:
    found = token_finding(infos, NOW)
    assert (found.status, words in found.evidence) == (status, True)


def test_what_must_be_mended_first_decides_the_exit_code() -> None:
    assert gravest([]) == gravest([0, 0]) == 0
    assert [gravest(codes) for codes in ([1, 5], [5, 4], [4, 3, 1], [1])] == [5, 4, 3, 1]
