"""What must be so in any world, worked out from its history alone and not by the product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from kmflow_orchestration.identity import item_id
from kmflow_orchestration_tests.operations.kills.group_home import ACME
from kmflow_orchestration_tests.operations.once.world import Deleted, World

_GONE = {"deleting", "deleted"}


def wrong(world: World) -> dict[str, object]:
    """What does not add up, by what was expected to; empty when all is well."""
    items = {row["id"]: row for row in world.rows("SELECT * FROM evidence_items")}
    checks: dict[str, object] = {
        "landing files without an outcome": _unaccounted(world),
        "items that count": _unlike(_present(world), _counting(items.values())),
        "rows": _wrong_rows(world, items),
    }
    return {what: found for what, found in checks.items() if found}


def _present(world: World) -> Counter[str]:
    """Items that the landing paths last held, but for those deleted since."""
    held: dict[str, str] = {}
    for deed in world.deeds:
        if isinstance(deed, Deleted):
            held = {path: item for path, item in held.items() if item != deed.item_id}
        else:
            held.update((path, _item_id(path, content)) for _, path, content in deed.files)
    return Counter(set(held.values()))


def _item_id(path: str, content: str) -> str:
    engagement, name = path.partition("/")[0], path.rpartition("/")[2]
    return item_id(ACME, engagement, sha256(content.encode()).hexdigest(), name)


def _counting(items: Iterable[Mapping[str, Any]]) -> Counter[str]:
    return Counter(row["id"] for row in items if row["state"] not in {"superseded", *_GONE})


def _wrong_rows(world: World, items: Mapping[str, Mapping[str, Any]]) -> dict[str, object]:
    """Tables whose rows are not those of the items they are made of, each once."""
    with world.opened() as day:
        tables = {name.rpartition(".")[2]: rows for name, rows in day.tables().items()}
    published = {item for item, row in items.items() if row["state"] == "published"}
    ids = {name: _ids(rows) for name, rows in tables.items()}
    datasets = Counter[str]()
    for name, found in ids.items():
        if "__" in name:
            datasets += found
    csv = {item for item in published if items[item]["name"].endswith(".csv")}
    expected = {
        "bronze_evidence_raw": (ids["bronze_evidence_raw"], set(items)),
        "evidence_metadata": (ids["evidence_metadata"], _kept(items)),
        "silver_quality_events": (ids["silver_quality_events"], published),
        # Every content that can be converted has one row.
        "datasets": (datasets, csv),
    }
    unlike = {name: _unlike(Counter(want), have) for name, (have, want) in expected.items()}
    return {name: found for name, found in unlike.items() if found}


def _ids(rows: Iterable[Mapping[str, Any]]) -> Counter[str]:
    return Counter(
        row.get("evidence_item_id") or row.get("_evidence_id") or row.get("id") for row in rows
    )


def _kept(items: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {item for item, row in items.items() if row["state"] not in _GONE}


def _unlike(expected: Counter[str], found: Counter[str]) -> object:
    """Missing and surplus, if any."""
    missing, surplus = expected - found, found - expected
    return {"missing": missing, "surplus": surplus} if missing or surplus else None


def _unaccounted(world: World) -> list[str]:
    """Landing files that are neither taken in, nor refused with a reason, nor deleted."""
    rows = world.rows(
        "SELECT f.path, f.state, f.code, f.content_hash, f.item_id, i.state AS item_state"
        " FROM landing_files f LEFT JOIN evidence_items i ON i.id = f.item_id"
    )
    known = {row["path"]: row for row in rows}
    return [path for path in world.landing if not _is_accounted(world, known.get(path), path)]


def _is_accounted(world: World, row: Mapping[str, Any] | None, path: str) -> bool:
    content = world.landing[path]
    if row is None:
        return False
    if row["state"] == "quarantined":
        # Nothing in it, or nothing of a type that may enter.
        return bool(row["code"]) and (not content or "\x00" in content)
    if row["state"] != "stored":
        return False
    if row["item_id"] is None:
        gone = world.rows("SELECT id FROM evidence_items WHERE state = 'deleted'")
        return {"id": _item_id(path, content)} in gone
    return bool(row["item_id"] == _item_id(path, content)) and row["item_state"] not in _GONE
