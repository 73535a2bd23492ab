"""A deletion while a run stores or writes the very item: nothing is lost, no row is left over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import LeaseHeld
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.ledger import State
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.operations.delete_evidence import delete_evidence
from kmflow_orchestration.operations.publish_bronze import publish_bronze
from kmflow_orchestration.storage.evidence_stores import EvidenceStores
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.tables.medallion import EVIDENCE_METADATA
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.operations.conftest import CONFIG
from kmflow_orchestration_tests.operations.datasets.dataset_world import WatchedLakehouse

ANN = caller_of("ann@kmflow.test", ("acme",), Role.ADMIN)


@pytest.fixture
def register(acme: LandingPlace) -> EvidenceRegister:
    return EvidenceRegister(open_sessions(engine_of(acme.database_url)), acme.clock)


@pytest.fixture
def at_hand(
    acme: LandingPlace, register: EvidenceRegister, lakehouse: LocalLakehouse
) -> dict[str, Any]:
    stores = EvidenceStores.only(acme.store)
    return {"register": register, "stores": stores, "lakehouse": lakehouse, "config": CONFIG}


@pytest.fixture
def metadata(lakehouse: LocalLakehouse) -> Callable[[], list[str]]:
    """Ids in the metadata table."""
    table = CONFIG.namespace.base(EVIDENCE_METADATA.name)
    return lambda: lakehouse.query(f"SELECT id FROM {table.sql}").column("id").to_pylist()


def test_an_item_deleted_while_its_rows_are_written_has_none_afterwards(
    acme: LandingPlace, at_hand: dict[str, Any], metadata: Callable[[], list[str]]
) -> None:
    acme.drop("e1/a.csv", "id\n1\n")
    acme.drop("e1/b.csv", "id\n2\n")
    acme.take_in()
    item, other = acme.item("a.csv"), acme.item("b.csv")

    def delete() -> None:
        if acme.item("a.csv").state is State.STORED:
            delete_evidence("acme", item.item_id, caller=ANN, **at_hand)

    watched = WatchedLakehouse(at_hand["lakehouse"], "merge", before=delete)
    publish_bronze(acme.group, acme.today, ledger=acme.ledger, **{**at_hand, "lakehouse": watched})

    assert acme.item("a.csv").state is State.DELETED
    assert metadata() == [other.item_id]


def test_a_file_that_is_just_being_stored_again_is_not_deleted(
    acme: LandingPlace, register: EvidenceRegister
) -> None:
    acme.drop("e1/a.csv", "id\n1\n")
    acme.take_in()
    item = acme.item("a.csv")
    refused: list[str] = []

    def delete(_: object) -> None:
        try:
            register.begin_deletion(acme.group, item.item_id, actor="ann")
        except LeaseHeld as error:
            refused.append(str(error))

    acme.store.before_send = delete
    acme.drop("e1/deep/a.csv", "id\n2\n")
    acme.take_in()

    assert len(refused) == 1
    assert "a.csv of e1 is being stored" in refused[0]
    assert {one.state for one in acme.items()} == {State.STORED}


def test_content_deleted_while_its_copy_is_taken_in_is_sent_again(
    acme: LandingPlace, at_hand: dict[str, Any]
) -> None:
    acme.drop("e1/a.csv", "id\n1\n")
    acme.take_in()
    item = acme.item("a.csv")
    acme.store.before_send = lambda file: (
        delete_evidence("acme", item.item_id, caller=ANN, **at_hand)
        if file.file_name == "other.csv"
        else None
    )
    acme.drop("e1/copy.csv", "id\n1\n")
    acme.drop("e1/other.csv", "id\n2\n")

    acme.take_in()

    assert acme.store.sent == ["a.csv", "other.csv", "copy.csv"]
    assert acme.item("copy.csv").state is State.STORED
    assert acme.store.read(acme.item("copy.csv").stored_path) == b"id\n1\n"
