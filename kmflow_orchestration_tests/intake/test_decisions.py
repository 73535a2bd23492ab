"""What an arriving file is, against a model that knows only what lies in landing at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.intake.decisions import Arrival, Kind, Known, KnownItem, Plan, decide
from kmflow_orchestration.metadata.intake_records import LIVE, State
from kmflow_orchestration.names import GroupId

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
NOTHING = Known({}, {})

# Few paths, names and contents, so that they meet often.
PATHS = ("e1/a.csv", "e1/b.csv", "e1/old/a.csv", "e2/a.csv")
events = st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from("uvw")), max_size=12)


def arrival(path: str, content: str, minute: int = 0) -> Arrival:
    return Arrival.of(
        GroupId("acme"),
        path.partition("/")[0],
        path,
        content_hash=content * 64,
        first_seen_at=START + timedelta(minutes=minute),
    )


def after(known: Known, plan: Plan) -> Known:
    """What is known once a plan was recorded."""
    sources = {one.arrival.path: one.arrival.item_id for one in plan.decisions}
    return Known({**known.items, **plan.items}, {**known.sources, **sources})


def batches_of(happened: Sequence[tuple[str, str]], cuts: Iterable[int]) -> list[list[Arrival]]:
    """Events cut into batches; a path's latest content in a batch is the one that is read."""
    batches: list[dict[str, Arrival]] = [{}]
    for minute, (path, content) in enumerate(happened):
        if minute in cuts:
            batches.append({})
        batches[-1][path] = arrival(path, content, minute)
    return [list(batch.values()) for batch in batches]


def taken_in(batches: Iterable[Iterable[Arrival]]) -> Known:
    known = NOTHING
    for batch in batches:
        known = after(known, decide(batch, known))
    return known


def present(items: Iterable[KnownItem]) -> list[str]:
    return sorted(item.item_id for item in items if item.state is not State.SUPERSEDED)


def live_contents(known: Known) -> list[tuple[str, str]]:
    live = [item for item in known.items.values() if item.state in LIVE]
    return sorted((item.engagement_id, item.content_hash) for item in live)


@given(events, st.sets(st.integers(0, 12)))
def test_what_counts_is_what_the_paths_last_held(happened, cuts) -> None:
    batches = batches_of(happened, cuts)
    known = taken_in(batches)
    last = {one.path: one for batch in batches for one in batch}.values()

    assert present(known.items.values()) == sorted({one.item_id for one in last})
    assert live_contents(known) == sorted({(one.engagement_id, one.content_hash) for one in last})


@given(events, st.sets(st.integers(0, 12)), st.data())
def test_the_order_inside_a_batch_and_its_slices_change_nothing(happened, cuts, data) -> None:
    batches = batches_of(happened, cuts)
    known = taken_in(batches)

    shuffled = taken_in(data.draw(st.permutations(batch)) for batch in batches)
    ordered = [sorted(batch, key=lambda one: one.order) for batch in batches]
    sliced = taken_in([one] for batch in ordered for one in batch)

    assert shuffled == known
    assert sliced == known


@given(events, st.sets(st.integers(0, 12)))
def test_every_duplicate_points_at_a_live_original_of_its_content(happened, cuts) -> None:
    items = taken_in(batches_of(happened, cuts)).items
    for item in items.values():
        assert (item.duplicate_of_id is not None) == (item.state is State.DUPLICATE)
        if item.duplicate_of_id is not None:
            original = items[item.duplicate_of_id]
            assert original.state in LIVE
            assert original.content_hash == item.content_hash
            assert original.engagement_id == item.engagement_id


@given(events)
def test_taking_in_the_same_again_changes_nothing(happened) -> None:
    (batch,) = batches_of(happened, ())
    known = taken_in([batch])

    again = decide(batch, known)

    assert {one.kind for one in again.decisions} <= {Kind.UNCHANGED}
    assert not again.items
    assert not again.superseded


@given(events, st.sets(st.integers(0, 12)))
def test_bytes_of_a_content_are_asked_for_once_in_an_engagement(happened, cuts) -> None:
    known, asked = NOTHING, []
    for batch in batches_of(happened, cuts):
        plan = decide(batch, known)
        asked += [(one.engagement_id, one.content_hash) for one in plan.needing_bytes]
        known = after(known, plan)

    assert len(asked) == len(set(asked))


def kinds(known: Known, *arrivals: Arrival) -> list[Kind]:
    return [decision.kind for decision in decide(arrivals, known).decisions]


def test_a_name_in_another_folder_is_the_same_item() -> None:
    known = taken_in([[arrival("e1/a.csv", "u")]])
    assert kinds(known, arrival("e1/old/a.csv", "u", 1)) == [Kind.SAME_ITEM]


def test_another_engagement_shares_nothing() -> None:
    known = taken_in([[arrival("e1/a.csv", "u")]])
    plan = decide([arrival("e2/a.csv", "u", 1)], known)
    assert [one.kind for one in plan.decisions] == [Kind.NEW]
    assert len(plan.needing_bytes) == 1


def test_an_item_with_another_source_is_not_superseded() -> None:
    known = taken_in([[arrival("e1/a.csv", "u"), arrival("e1/old/a.csv", "u")]])
    plan = decide([arrival("e1/a.csv", "v", 1)], known)
    assert plan.superseded == frozenset()


def test_the_earliest_duplicate_of_a_superseded_original_is_promoted() -> None:
    first = arrival("e1/a.csv", "u")
    later, last = arrival("e1/b.csv", "u", 1), arrival("e1/c.csv", "u", 2)
    known = taken_in([[first, later, last]])

    plan = decide([arrival("e1/a.csv", "v", 3)], known)

    assert plan.superseded == {first.item_id}
    assert plan.moved == {later.item_id}
    assert plan.items[last.item_id].duplicate_of_id == later.item_id


def test_content_that_returns_while_its_copy_was_promoted_becomes_the_duplicate() -> None:
    first, copy = arrival("e1/a.csv", "u"), arrival("e1/b.csv", "u", 1)
    known = taken_in([[first, copy], [arrival("e1/a.csv", "v", 2)]])

    plan = decide([arrival("e1/a.csv", "u", 3)], known)

    assert [one.kind for one in plan.decisions] == [Kind.REVIVED]
    assert plan.items[first.item_id].duplicate_of_id == copy.item_id
    assert plan.moved == frozenset()
    assert plan.needing_bytes == ()
