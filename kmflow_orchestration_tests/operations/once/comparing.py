"""What two worlds must have in common, whatever happened on the way, and what they need not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from kmflow_orchestration.storage.evidence_paths import FOLDER
from kmflow_orchestration_tests.operations.once.world import World, below_root

# When something was done, by which batch; scores are of the moment an item was first published.
_ON_THE_WAY = frozenset(
    {
        *("_batch_id", "stored_at", "ingested_at", "processed_at", "logged_at", "computed_at"),
        *("duration_ms", "scored_count"),
    }
)
_OF_ITEMS = (
    *("id", "name", "content_hash", "file_path", "size_bytes", "state", "code", "message"),
    *("duplicate_of_id", "supersedes_id", "received_on", "first_seen_at", "landing_path"),
)
_GONE = {"deleting", "deleted"}

Found = Mapping[str, Counter[str]]


def found(world: World) -> Found:
    """Everything that has to be the same: rows, ledger and stored files."""
    with world.opened() as day:
        tables = day.tables()
    items = world.rows(f"SELECT {', '.join(_OF_ITEMS)} FROM evidence_items")
    gone = {row["id"] for row in items if row["state"] in _GONE}
    parts = world.rows("SELECT item_id, part, table_name, columns, row_count FROM dataset_parts")
    return {
        # Whether a table was ever made that is empty by now is no matter.
        # The delta store's own list of its files is no table of the pipeline's.
        **{
            name: _counted(_lasting(rows, gone))
            for name, rows in tables.items()
            if rows and not name.endswith(".evidence_files")
        },
        "evidence_items": _counted(_without_reason(row, gone) for row in items),
        "dataset_parts": _counted(parts),
        "sources": Counter(map(repr, world.sources().items())),
        # Wherever it is: what is there twice is counted twice.
        "stored": Counter(
            one.partition(":")[2] for one in world.stored() - (world.leftovers - world.referenced())
        ),
    }


def _lasting(rows: Iterable[Mapping[str, Any]], gone: set[str]) -> Iterable[Mapping[str, Any]]:
    for row in rows:
        if row.get("status") in {"success", "failed"} and row["evidence_item_id"] in gone:
            # Whether it was converted before it was deleted tells when it was deleted.
            continue
        yield {
            name: value
            for name, value in row.items()
            if name not in _ON_THE_WAY and "_score" not in name
        }


def _without_reason(row: Mapping[str, Any], gone: set[str]) -> Mapping[str, Any]:
    return {**row, "code": "", "message": ""} if row["id"] in gone else row


def _counted(rows: Iterable[Mapping[str, Any]]) -> Counter[str]:
    return Counter(repr({name: _anywhere(value) for name, value in row.items()}) for row in rows)


def _anywhere(value: Any) -> Any:
    """A stored path as it would be in any backend."""
    is_path = isinstance(value, str) and f"{FOLDER}/" in value
    return below_root(value) if is_path else value


def differences(one: Found, other: Found) -> dict[str, tuple[list[str], list[str]]]:
    """What the one has and the other has not, by place."""
    nothing = Counter[str]()
    return {
        place: (
            sorted((one.get(place, nothing) - other.get(place, nothing)).elements()),
            sorted((other.get(place, nothing) - one.get(place, nothing)).elements()),
        )
        for place in sorted({*one, *other})
        if one.get(place, nothing) != other.get(place, nothing)
    }
