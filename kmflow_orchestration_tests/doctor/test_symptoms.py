"""Each symptom, produced on the embedded workspace, and the remedy the doctor has for it (B35)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from kmflow_orchestration.clock import iso
from kmflow_orchestration.doctor.diagnose import diagnose
from kmflow_orchestration.doctor.findings import CHECK_IDS, Checked
from kmflow_orchestration.doctor.patient import DEFAULT_PRINCIPAL
from kmflow_orchestration.doctor.remedies import of_volume, refused
from kmflow_orchestration.errors import AccessRefused
from kmflow_orchestration.metadata.ledger_store import changing
from kmflow_orchestration.metadata.output_files import OutputFile
from kmflow_orchestration.metadata.upload_failures import UploadFailure
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.provision import ALL_TABLES, table_name
from kmflow_orchestration.operations.remove_deleted import drop_rows
from kmflow_orchestration.tables.arrow_types import arrow_schema
from kmflow_orchestration.tables.medallion import EVIDENCE_METADATA
from kmflow_orchestration.workspace.clusters_api import put_cluster
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.grants import Grant
from kmflow_orchestration_tests.doctor.conftest import ACME, CATALOG, PRINCIPAL, SCHEMA, Ward

pytestmark = pytest.mark.xdist_group("doctor")

METADATA = f"`{CATALOG}`.`{SCHEMA}`.`evidence_metadata`"
FRAGMENTS = f"`{CATALOG}`.`{SCHEMA}_silver`.`silver_evidence_fragments`"
IN_VOLUME = f"VOLUME `{CATALOG}`.`{SCHEMA}`.`raw_evidence`"


@pytest.fixture(scope="module")
def stored(ward: Ward) -> str:
    """The stored path of a file with its row."""
    return ward.take_in("loans.csv", "id,amount\n1,2\n")


@contextmanager
def without(ward: Ward, privilege: str, schema: str = SCHEMA) -> Iterator[None]:
    """Acme lacks one privilege on one schema of its own."""
    grants, room = ward.room.server.services.catalog.grants, ward.room.admin.workspace_id
    grant = Grant("SCHEMA", f"{CATALOG}.{schema}", PRINCIPAL, privilege)
    grants.remove(room, grant)
    yield
    grants.add(room, grant)


@contextmanager
def holding(ward: Ward, kind: str, name: str, privilege: str) -> Iterator[None]:
    """Acme holds one privilege more."""
    grants, room = ward.room.server.services.catalog.grants, ward.room.admin.workspace_id
    grant = Grant(kind, name, PRINCIPAL, privilege)
    grants.add(room, grant)
    yield
    grants.remove(room, grant)


@contextmanager
def kept_rows(ward: Ward) -> Iterator[None]:
    """The metadata rows are afterwards as they were before."""
    table = ward.acme.config.namespace.base(EVIDENCE_METADATA.name)
    rows = ward.acme.lakehouse.query(f"SELECT * FROM {METADATA}")
    yield
    ward.acme.lakehouse.rebuild(
        table, EVIDENCE_METADATA.columns, pa.Table.from_pylist(rows.to_pylist(), rows.schema)
    )


def told(found: Checked) -> tuple[str, str, int]:
    return found.status, found.fix, found.exit_code


def test_a_good_group_passes_all_that_can_be_asked(ward: Ward, stored: str) -> None:
    found = diagnose(ward.patient())

    assert [one.id for one in found.checks] == list(CHECK_IDS)
    assert [one.number for one in found.checks] == list(range(1, 18))
    assert {one.id: one.status for one in found.checks if one.status != "pass"} == {
        "runtime": "skip",
        "landing": "skip",
    }
    assert (found.exit_code(strict=True), found.made) == (0, ())
    assert ward.token not in repr(found)


def test_a_second_look_finds_the_same_and_leaves_nothing(ward: Ward, stored: str) -> None:
    first, second = diagnose(ward.patient()), diagnose(ward.patient())

    assert [one.status for one in first.checks] == [one.status for one in second.checks]
    table = ward.acme.lakehouse.query(f"SELECT id FROM {METADATA}")
    assert table.num_rows == 1
    folder = f"/Volumes/{CATALOG}/{SCHEMA}/raw_evidence/.kmflow/probes"
    assert list(ward.room.admin_client().files.list_directory_contents(folder)) == []


def test_a_missing_setting_is_named_and_what_needs_it_is_skipped(ward: Ward) -> None:
    found = {one.id: one for one in diagnose(ward.patient(token=None)).checks}

    assert (found["config"].status, found["config"].exit_code) == ("fail", 3)
    assert "token" in found["config"].evidence
    assert found["probe"].evidence == "needs config, which failed"
    assert found["outbox"].status == "pass"


def test_a_landing_folder_that_is_missing_is_a_warning(ward: Ward) -> None:
    place = ward.acme.landing_root
    place.rename(place.with_name("away"))
    found = ward.found("config")
    place.with_name("away").rename(place)

    assert (found.status, found.fix) == ("warn", f"mkdir -p {place}")


def test_a_landing_place_in_a_volume_is_listed(ward: Ward) -> None:
    volume = ward.acme.config.volume
    absent, place = volume.joined("absent"), volume.joined("dropped here")
    ward.room.admin_client().files.create_directory(place.text)
    elsewhere = VolumePath("system", "information_schema", "theirs", ("landing",))

    found = [ward.found("landing", landing_path=one.text) for one in (place, absent, elsewhere)]

    assert told(found[0]) == ("pass", "", 0)
    assert found[0].evidence == f"{place} can be listed, nothing lies in it"
    assert told(found[1]) == ("warn", f"databricks fs mkdirs dbfs:{absent}", 0)
    assert found[2].status in {"fail", "warn"}
    refuse = Fault("fail_times", path="*dropped*", status=403, error_code="PERMISSION_DENIED")
    ward.room.server.faults.add(refuse)
    lost = ward.found("landing", landing_path=place.text)
    ward.room.server.faults.clear()
    assert (lost.status, lost.exit_code) == ("fail", 4)
    assert lost.fix.startswith("GRANT READ VOLUME ON VOLUME")
    assert ward.found("config", landing_path=place.text).status == "pass"


def test_a_token_nobody_knows(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ward.variable, "dapi-of-nobody")
    found = diagnose(ward.patient(version=99), only=["sign_in"]).checks[-1]

    assert (found.status, found.exit_code) == ("fail", 4)
    assert f"accepts into env:{ward.variable}" in found.fix
    assert "dapi-of-nobody" not in repr(found)


def test_a_host_that_nobody_listens_at(ward: Ward) -> None:
    found = ward.found("sign_in", workspace_url="http://127.0.0.1:9")
    assert told(found) == ("fail", "check workspace_url, the firewall and the proxy", 5)


def test_a_cluster_of_an_old_runtime(ward: Ward) -> None:
    for cluster, version in (("0101-old", "12.2.x-scala2.12"), ("0102-new", "13.3.x-scala2.12")):
        put_cluster(
            ward.room.server.services,
            ward.room.admin.workspace_id,
            cluster,
            spark_version=version,
        )
    path = "/sql/protocolv1/o/1/{}".format

    old = ward.found("runtime", http_path=path("0101-old"))
    new = ward.found("runtime", http_path=path("0102-new"))
    unknown = ward.found("runtime", http_path=path("0103-none"))

    assert (old.status, old.exit_code, "13.3 LTS or newer" in old.fix) == ("fail", 3, True)
    assert (new.status, new.evidence) == ("pass", "cluster 0102-new runs 13.3.x-scala2.12")
    assert (unknown.status, "0103-none does not exist" in unknown.evidence) == ("fail", True)


def test_a_volume_that_is_missing(ward: Ward) -> None:
    found = ward.found("objects", evidence_volume="nobodys")

    assert (found.status, found.exit_code, found.can_be_made) == ("fail", 5, True)
    assert f"CREATE VOLUME IF NOT EXISTS `{CATALOG}`.`{SCHEMA}`.`nobodys`" in found.fix
    assert "kmflow provision --group acme" in found.fix


def test_a_volume_that_goes_while_it_is_looked_at(ward: Ward) -> None:
    gone = Fault("fail_times", method="PUT", status=404, error_code="RESOURCE_DOES_NOT_EXIST")
    ward.room.server.faults.add(gone)
    found = ward.found("probe")

    assert (found.status, found.exit_code) == ("fail", 5)
    assert found.fix == f"CREATE VOLUME IF NOT EXISTS `{CATALOG}`.`{SCHEMA}`.`raw_evidence`"


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"catalog": "nobodys"}, "CREATE CATALOG"), ({"schema": "nobodys"}, "CREATE SCHEMA")],
    ids=["catalog", "schema"],
)
def test_a_catalog_or_schema_that_is_missing(
    ward: Ward, changes: dict[str, str], words: str
) -> None:
    found = ward.found("objects", **changes)
    assert (found.status, f"{words} IF NOT EXISTS" in found.fix) == ("fail", True)


def test_a_write_that_is_refused_names_the_exact_grant(ward: Ward) -> None:
    with without(ward, "WRITE_VOLUME"):
        probe, privileges = ward.found("probe"), ward.found("privileges")

    grant = f"GRANT READ VOLUME, WRITE VOLUME ON {IN_VOLUME} TO `{PRINCIPAL}`"
    assert told(probe) == ("fail", grant, 4)
    assert privileges.exit_code == 4
    assert f"GRANT WRITE VOLUME ON {IN_VOLUME} TO `{PRINCIPAL}`" in privileges.fix


def test_a_row_that_is_refused_names_the_exact_grant(ward: Ward) -> None:
    with without(ward, "MODIFY"):
        privileges = ward.found("privileges")
    refusal = Fault(
        "fail_times",
        path="/api/2.0/sql/statements*",
        status=403,
        error_code="PERMISSION_DENIED",
        after=1,
        times=9,
    )
    ward.room.server.faults.add(refusal)
    probe = ward.found("probe")

    assert f"GRANT MODIFY ON SCHEMA `{CATALOG}`.`{SCHEMA}` TO `{PRINCIPAL}`" in privileges.fix
    assert told(probe) == ("fail", f"GRANT SELECT, MODIFY ON TABLE {METADATA} TO `{PRINCIPAL}`", 4)


def test_without_a_sign_in_grants_are_for_the_usual_principal(ward: Ward) -> None:
    patient = ward.patient()
    error = AccessRefused("PERMISSION_DENIED")
    found = refused(patient, error, of_volume(patient.config.volume), "WRITE_VOLUME")

    assert DEFAULT_PRINCIPAL == "kmflow-api"
    assert found.fix == f"GRANT WRITE VOLUME ON {IN_VOLUME} TO `kmflow-api`"


@pytest.mark.parametrize(
    ("privilege", "schema"),
    [("USE_SCHEMA", f"{SCHEMA}_dq"), ("CREATE_TABLE", f"{SCHEMA}_gold"), ("SELECT", SCHEMA)],
)
def test_every_privilege_that_is_missing_is_granted_by_name(
    ward: Ward, privilege: str, schema: str
) -> None:
    with without(ward, privilege, schema):
        found = ward.found("privileges")

    words = privilege.replace("_", " ")
    assert f"GRANT {words} ON SCHEMA `{CATALOG}`.`{schema}` TO `{PRINCIPAL}`" in found.fix


def test_privileges_that_reach_too_far_are_taken_back(ward: Ward) -> None:
    schema = f"{CATALOG}.{SCHEMA}"
    catalog = holding(ward, "CATALOG", CATALOG, "MANAGE")
    with catalog, holding(ward, "SCHEMA", schema, "ALL_PRIVILEGES"):
        found = ward.found("too_broad")

    assert (found.status, found.exit_code) == ("warn", 0)
    assert f"REVOKE MANAGE ON CATALOG `{CATALOG}` FROM `{PRINCIPAL}`" in found.fix
    assert f"REVOKE ALL PRIVILEGES ON SCHEMA `{CATALOG}`.`{SCHEMA}` FROM" in found.fix


def test_a_warehouse_that_is_not_there_is_told_with_those_that_are(ward: Ward) -> None:
    found = ward.found("warehouse", warehouse_id="00000000deadbeef")

    known = ward.acme.config.warehouse_id
    assert (found.status, found.exit_code) == ("fail", 5)
    assert found.fix == f"kmflow group set acme warehouse_id=ID, one of: {known}"


def test_a_warehouse_that_may_not_be_used(ward: Ward) -> None:
    ward.room.server.faults.add(
        Fault("fail_times", path="/api/2.0/sql/statements*", status=403, times=3)
    )
    found = ward.found("warehouse")
    assert told(found)[0::2] == ("fail", 4)
    assert found.fix == f"give {PRINCIPAL} CAN USE on warehouse {ward.acme.config.warehouse_id}"


def test_a_process_with_another_backend_than_its_setting(ward: Ward) -> None:
    patient = ward.patient()
    patient.backend = "local"
    found = diagnose(patient, only=["backend"]).checks[-1]
    assert (found.status, "STORAGE_BACKEND=databricks" in found.fix) == ("fail", True)


def test_files_without_rows_are_to_be_backfilled(ward: Ward, stored: str) -> None:
    (item,) = ward.context.register.items(ACME, limit=10)
    with kept_rows(ward):
        drop_rows([item], lakehouse=ward.acme.lakehouse, config=ward.acme.config)
        found = ward.found("files_and_rows")

    assert told(found) == ("fail", "kmflow backfill-metadata --group acme", 1)
    assert stored in found.evidence
    assert ward.found("files_and_rows").status == "pass"


def test_files_whose_rows_are_still_to_come_are_on_their_way(ward: Ward, stored: str) -> None:
    ward.take_in("late.csv", "id\n1\n", with_rows=False)
    before, waiting = ward.found("files_and_rows"), ward.found("outbox")
    ward.take_in("later.csv", "id\n2\n")

    assert (waiting.status, waiting.fix) == (
        "warn",
        "the sensor asks for their days again; what refused them: kmflow stages --group acme",
    )
    assert waiting.evidence == "1 metadata row(s) of stored files wait for the warehouse"
    assert ward.found("outbox").status == "pass"
    assert before.status == "pass"
    assert before.evidence.endswith("; 1 on their way")
    assert ward.found("files_and_rows").evidence == "3 file(s), each with its row"


def test_rows_without_files_are_named(ward: Ward, stored: str) -> None:
    with kept_rows(ward):
        ward.sql(
            f"INSERT INTO {METADATA} SELECT group_id, engagement_id, 'lost', 'lost.csv',"
            f" concat(volume_path, '-lost'), content_hash, size_bytes, stored_at, metadata_json,"
            f" _batch_id FROM {METADATA} WHERE file_name = 'loans.csv'"
        )
        found = ward.found("files_and_rows")

    assert (found.status, found.exit_code) == ("fail", 1)
    assert found.evidence == f"1 row(s) without file: {stored}-lost"
    assert "kmflow evidence delete ID --group acme" in found.fix


def test_rows_that_stand_twice_are_to_be_made_one(ward: Ward, stored: str) -> None:
    with kept_rows(ward):
        ward.sql(f"INSERT INTO {METADATA} SELECT * FROM {METADATA} WHERE file_name = 'loans.csv'")
        found = ward.found("duplicate_rows")

    assert told(found) == ("fail", "kmflow dedupe-metadata --group acme", 1)
    assert found.evidence == "1 file(s) have 1 row(s) too many"
    assert ward.found("duplicate_rows").status == "pass"


def test_a_table_that_lacks_a_column_or_is_missing(ward: Ward) -> None:
    lakehouse, definition = ward.acme.lakehouse, ALL_TABLES[-1]
    table = table_name(ward.acme.config.namespace, definition)
    narrow = definition.columns[:-1]
    rows = arrow_schema(narrow).empty_table()
    lakehouse.rebuild(table, narrow, rows)
    lacking = ward.found("tables")
    ward.sql(f"DROP TABLE {table.sql}")
    missing = ward.found("tables")
    mended = diagnose(ward.patient(), only=["tables"], fix=True)

    column = definition.columns[-1]
    assert lacking.evidence == f"{table.text} lacks {column.name} {column.type}"
    assert (lacking.status, lacking.can_be_made) == ("fail", False)
    assert told(missing) == ("fail", "kmflow provision --group acme", 5)
    assert [(one.object, one.action) for one in mended.made] == [(table.text, "created")]
    assert mended.exit_code() == 0


def test_entities_that_name_nothing_are_told_by_column(ward: Ward) -> None:
    table = ward.acme.config.namespace.silver("silver_extracted_entities")
    columns = "group_id, engagement_id, entity_silver_id, evidence_item_id, entity_type"
    ward.sql(f"INSERT INTO {table.sql} ({columns}) VALUES ('acme', 'loans', 's', 'e', 'role')")
    found = ward.found("silver_blank")
    ids = pa.schema([("entity_silver_id", pa.string())]).empty_table()
    ward.acme.lakehouse.replace(table, ids, matching={"entity_silver_id": ["s"]})

    assert found.status == "warn"
    assert f"{table.text}.entity_name" in found.evidence
    assert f"{table.text}.fragment_silver_id" in found.evidence
    assert "entity_type" not in found.evidence


def test_silver_that_says_nothing_is_told_by_column(ward: Ward) -> None:
    columns = "group_id, engagement_id, silver_id, fragment_id, evidence_item_id, content"
    ward.sql(f"INSERT INTO {FRAGMENTS} ({columns}) VALUES ('acme', 'loans', 's', 'f', 'e', ' ')")
    found = ward.found("silver_blank")
    table = ward.acme.config.namespace.silver("silver_evidence_fragments")
    ward.acme.lakehouse.replace(
        table, pa.schema([("silver_id", pa.string())]).empty_table(), matching={"silver_id": ["s"]}
    )

    assert (found.status, found.exit_code) == ("warn", 0)
    assert found.evidence == f"blank in every row: {table.text}.content"
    assert "silver_evidence_fragments" in found.fix


def test_a_token_that_ends_soon(ward: Ward) -> None:
    limits, now = ward.room.server.services.token_limits, ward.context.clock.now()
    limits.set(ward.token, expires_at=now + timedelta(days=3, hours=1))
    soon = ward.found("token")
    limits.set(ward.token, expires_at=now + timedelta(days=300))
    later = ward.found("token")
    limits.set(ward.token, expires_at=None)

    assert (soon.status, "in 3 day(s)" in soon.evidence) == ("warn", True)
    assert soon.fix.startswith("make a new token")
    assert (later.status, ward.found("token").evidence) == ("pass", "1 token(s), without an end")


def failure(at: datetime) -> UploadFailure:
    file = OutputFile(
        group_id=ACME,
        path="/Volumes/kmflow/shared/outputs/loans.json",
        place="/Volumes/kmflow/shared/outputs",
        task_key="loans",
        partition_key="",
        file_format="json",
        shape={"kind": "mapping"},
        sha256="a" * 64,
        size_bytes=7,
        dagster_run_id="r1",
        written_at=at,
    )
    return UploadFailure(
        failure_id="7c0d5f0e-3c55-4b8e-9d2a-6f1f8a3c9b11",
        file=file,
        verify="hash",
        tries=1,
        last_tried_at=at,
        error_code="KM-REMOTE-001",
        error_message="away",
    )


def test_copies_that_a_mirror_is_owed_are_to_be_brought(ward: Ward, stored: str) -> None:
    (item,) = [
        one for one in ward.context.register.items(ACME, limit=100) if one.stored_path == stored
    ]
    sessions = ward.context.register._sessions
    with changing(sessions, ACME) as tables:
        tables.mirrors.owe(ACME, "local", [item.item_id], ward.context.clock.now())
        tables.mirrors.fail(ACME, "local", [item.item_id], "disk full")
    found = ward.found("outbox")
    ward.context.register.mirrors.forget(ACME, "local", [item.item_id])

    assert told(found) == ("warn", "kmflow rollback deliver --group acme", 0)
    assert found.evidence == "1 copies wait for mirror local: disk full"
    assert ward.found("outbox").status == "pass"


def test_uploads_that_wait_are_to_be_tried_again(ward: Ward) -> None:
    now = ward.context.clock.now()
    ward.context.upload_failures.add(ACME, failure(now))
    found = ward.found("outbox")

    assert told(found) == ("warn", "kmflow output retry --group acme", 0)
    assert found.evidence == f"1 upload(s) wait, the oldest since {iso(now)}: away"
