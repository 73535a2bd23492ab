"""The control database goes away while a batch is being stored, and comes back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kmflow_orchestration.errors import LeaseHeld, MetadataUnavailable
from kmflow_orchestration.intake.claims import LEASE, renew, this_process
from kmflow_orchestration.intake.ledger import Item, State
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.postgres_server import PostgresServer

NAMES = [f"{number}.csv" for number in range(4)]


@pytest.fixture
def waiting(acme: LandingPlace) -> LandingPlace:
    """Four files that are due."""
    for name in NAMES:
        acme.drop(f"e1/{name}", name)
    acme.look()
    return acme


def stopping_before(server: PostgresServer, name: str) -> Callable[..., None]:
    return lambda file: server.stop() if file.file_name == name else None


def outcome(place: LandingPlace) -> list[tuple[str, State, str]]:
    """What a clean run leaves of each file, whenever it was stored."""
    items: list[Item] = place.items()
    return sorted((item.landing_path, item.state, item.batch_id) for item in items)


@pytest.mark.parametrize("name", ["0.csv", "2.csv", "3.csv"])
def test_a_run_that_loses_the_database_fails_and_the_next_one_ends_as_if_nothing_had_been(
    waiting: LandingPlace, postgres_server: PostgresServer, name: str
) -> None:
    waiting.store.before_send = stopping_before(postgres_server, name)

    with pytest.raises(MetadataUnavailable) as away:
        waiting.store_day(workers=1)
    assert f"127.0.0.1:{postgres_server.port}" in away.value.message
    assert postgres_server.password not in str(away.value)

    postgres_server.start()
    waiting.store.before_send = lambda _: None
    with pytest.raises(LeaseHeld):
        waiting.store_day(workers=1)
    waiting.clock.advance(LEASE.total_seconds())
    waiting.store_day(workers=1)

    (batch,) = waiting.ledger.stored_batches(waiting.group, waiting.today)
    assert outcome(waiting) == [(f"e1/{one}", State.STORED, batch.batch_id) for one in NAMES]
    assert set(waiting.store.sent) == set(NAMES)


def test_what_went_wrong_first_is_told_although_the_claim_cannot_be_given_up(
    waiting: LandingPlace, postgres_server: PostgresServer
) -> None:
    def stop_and_break(_file: object) -> None:
        postgres_server.stop()
        raise KeyboardInterrupt

    waiting.store.before_send = stop_and_break

    with pytest.raises(KeyboardInterrupt):
        waiting.store_day(workers=1)


def test_a_renewal_that_finds_no_database_is_tried_again_at_the_next_beat(
    waiting: LandingPlace, postgres_server: PostgresServer, clock
) -> None:
    holder = this_process()
    with waiting.ledger.claimed_batch(waiting.group, waiting.today, holder) as batch:
        assert batch is not None
        until = clock.now() + LEASE
        postgres_server.stop()
        assert renew(waiting.ledger._sessions, waiting.group, batch._claim, until)
        postgres_server.start()
        assert renew(waiting.ledger._sessions, waiting.group, batch._claim, until)
