"""What every StorageBackend promises (row B1), on each of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.errors import QuarantinedFile, StorageUnavailable, UnsafePath
from kmflow_orchestration.storage.evidence_paths import stored_place
from kmflow_orchestration.storage.interfaces import EvidenceFile, StorageBackend

Drop = Callable[..., EvidenceFile]
BIG = b"0123456789abcdef" * 600_000  # over 8 MiB: streamed, not read whole


def test_it_is_a_storage_backend(store: StorageBackend) -> None:
    assert isinstance(store, StorageBackend)


def test_a_written_file_reads_back_byte_by_byte(store: StorageBackend, landing: Drop) -> None:
    written = store.write_from(landing(content=b"id;amount\r\n1;2\x00\xff"))

    assert store.read(written.path) == b"id;amount\r\n1;2\x00\xff"
    assert store.exists(written.path)
    assert written.size_bytes == 16


def test_the_path_says_engagement_day_and_id(store: StorageBackend, landing: Drop) -> None:
    file = landing("Loans Q1 ä #1%.csv")

    written = store.write_from(file)

    digits = file.item_id.replace("-", "")[:16]
    assert written.path.endswith(f"evidence_store/e1/2026-11-20/{digits}_Loans Q1 ä #1%.csv")
    assert written.path == store.path_of(file)


@pytest.mark.parametrize("content", [b"", BIG], ids=["empty", "large"])
def test_files_of_any_size_arrive_whole(
    store: StorageBackend, landing: Drop, content: bytes
) -> None:
    written = store.write_from(landing(content=content))

    assert store.read(written.path) == content
    assert store.confirm([written]) == {written.path}


def test_writing_the_same_again_changes_nothing(store: StorageBackend, landing: Drop) -> None:
    file = landing()
    first = store.write_from(file)

    second = store.write_from(file)

    assert (second.path, second.content_hash) == (first.path, first.content_hash)
    assert store.list_files("e1") == [first.path]


@pytest.mark.parametrize("content", [b"id\n1\n", BIG], ids=["small", "large"])
def test_a_file_that_changed_since_it_was_hashed_is_not_stored(
    store: StorageBackend, landing: Drop, content: bytes
) -> None:
    file = landing(content=content)
    file.source.write_bytes(content[:-1] + b"X")

    with pytest.raises(QuarantinedFile) as refusal:
        store.write_from(file)

    assert refusal.value.reason == "changed"
    assert store.list_files("e1") == []


@pytest.mark.parametrize("tail", [b"", b"more"], ids=["shorter", "longer"])
def test_a_large_file_of_another_length_is_not_stored(
    store: StorageBackend, landing: Drop, tail: bytes
) -> None:
    file = landing(content=BIG)
    file.source.write_bytes(BIG + tail if tail else BIG[:-5])

    with pytest.raises(QuarantinedFile):
        store.write_from(file)

    assert not store.exists(store.path_of(file))


def test_a_file_that_vanished_is_unreadable(store: StorageBackend, landing: Drop) -> None:
    file = landing()
    file.source.unlink()

    with pytest.raises(QuarantinedFile) as refusal:
        store.write_from(file)

    assert refusal.value.reason == "unreadable"


def test_bytes_at_hand_are_stored_under_today(store: StorageBackend) -> None:
    written = store.write("e1", "note.txt", b"hello", {"author": "A. Writer", "pages": 3})

    assert "/e1/2026-11-20/" in written.path
    assert written.path.endswith("_note.txt")
    assert written.extra == {"author": "A. Writer", "pages": "3"}
    assert store.read(written.path) == b"hello"


def test_only_what_is_really_there_is_confirmed(store: StorageBackend, landing: Drop) -> None:
    kept, gone = (store.write_from(landing(f"{name}.csv", name.encode())) for name in "ab")
    cut = dataclasses.replace(kept, size_bytes=kept.size_bytes + 1)
    store.delete(gone.path)

    assert store.confirm([kept, gone]) == {kept.path}
    assert store.confirm([cut]) == frozenset()
    assert store.confirm([]) == frozenset()


def test_a_prefix_is_of_the_original_name(store: StorageBackend, landing: Drop) -> None:
    loans = store.write_from(landing("loans.csv", b"1"))
    rates = store.write_from(landing("rates.csv", b"2"))
    store.write_from(landing("loans.csv", b"3", engagement="e10"))

    assert store.list_files("e1") == sorted([loans.path, rates.path])
    assert store.list_files("e1", "loa") == [loans.path]
    assert store.list_files("e2") == []


def test_a_deleted_file_is_gone(store: StorageBackend, landing: Drop) -> None:
    written = store.write_from(landing())

    assert store.delete(written.path) is True
    assert store.delete(written.path) is False
    assert not store.exists(written.path)
    with pytest.raises(FileNotFoundError):
        store.read(written.path)


def test_damaged_bytes_are_replaced_by_the_right_ones(
    store: StorageBackend, landing: Drop, damage: Callable[[str], None]
) -> None:
    file = landing()
    damage(store.write_from(file).path)

    written = store.write_from(file)

    assert store.read(written.path) == b"id\n1\n"


def test_a_place_that_should_have_files_and_is_not_there_is_no_empty_one(
    store: StorageBackend, landing: Drop
) -> None:
    store.probe(has_files=False)
    with pytest.raises(StorageUnavailable, match="is not there"):
        store.probe(has_files=True)

    store.write_from(landing())
    store.probe(has_files=True)


def test_thirty_two_threads_store_side_by_side(store: StorageBackend, landing: Drop) -> None:
    files = [landing(f"f{number}.csv", str(number).encode()) for number in range(64)]

    with ThreadPoolExecutor(32) as pool:
        written = list(pool.map(store.write_from, files))

    assert store.confirm(written) == {store.path_of(file) for file in files}


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x.csv", "a/b.csv", "a\\b.csv", "a\x00b", "x" * 240, "a%2fb.csv"]
)
def test_names_that_cannot_stand_in_a_path_are_refused(
    store: StorageBackend, landing: Drop, name: str
) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - row B6 promises a ValueError
        store.write_from(dataclasses.replace(landing(), file_name=name))


@pytest.mark.parametrize("engagement", ["", "..", "../x", "E1", "e1/x", "/e1", "e 1"])
def test_engagements_that_are_no_id_are_refused(
    store: StorageBackend, landing: Drop, engagement: str
) -> None:
    with pytest.raises(UnsafePath):
        store.write_from(dataclasses.replace(landing(), engagement_id=engagement))
    with pytest.raises(UnsafePath):
        store.list_files(engagement)


def test_paths_beside_the_store_are_outside_its_boundary(
    store: StorageBackend, landing: Drop
) -> None:
    inside = store.write_from(landing()).path
    outside = [
        "",
        "/etc/passwd",
        inside.replace("evidence_store", "evidence_store_private"),
        inside.replace("/e1/", "/e1/../../../../"),
        inside.replace("/e1/", "/./e1/../"),
        "/Volumes/kmflow/globex_evidence/raw_evidence/evidence_store/e1/2026-11-20/x",
    ]
    for path in outside:
        for act in (store.read, store.exists, store.delete):
            with pytest.raises(UnsafePath):
                act(path)


_PARTS = st.lists(
    st.sampled_from(["..", ".", "", "e1", "evidence_store", "%2e%2e", "Volumes", "x\\..", "\x00"])
    | st.text(max_size=4),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(parts=_PARTS, absolute=st.booleans())
def test_no_path_leads_out_of_the_store(
    store: StorageBackend, parts: list[str], absolute: bool
) -> None:
    path = ("/" if absolute else "") + "/".join(parts)
    try:
        found = store.exists(path)
    except UnsafePath:
        return
    # Whatever passes the boundary names a place inside, and nothing lies there.
    assert found is False
    assert "evidence_store" in path


def test_a_walk_meets_every_file_with_its_size_and_time_and_nothing_before_the_first(
    store: StorageBackend, landing: Drop
) -> None:
    assert list(store.walk()) == []
    first = store.write_from(landing("a.csv", b"id\n1\n"))
    second = store.write_from(landing("b.csv", b"", engagement="e2"))

    found = {file.path: file for file in store.walk()}

    assert found.keys() == {first.path, second.path}
    assert found[first.path].size_bytes == 5
    assert found[first.path].parts == tuple(first.path.split("/")[-4:])
    place = stored_place(found[second.path].parts)
    assert place is not None
    assert (place.engagement_id, place.file_name) == ("e2", "b.csv")
    assert abs(found[first.path].modified_at - SystemClock().now()) < timedelta(hours=1)
