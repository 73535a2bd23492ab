"""Ids of things, derived from what they are (design AD5); a golden test pins every one of them."""

from __future__ import annotations

from datetime import date
from uuid import UUID, uuid5

# Never change: every stored path and row id hangs on it.
NAMESPACE = UUID("6d2c2e5e-1f0b-5c43-9a5d-4b6d666c6f77")


def _id(kind: str, *parts: object) -> str:
    # A length before each part keeps ("a", "bc") and ("ab", "c") apart.
    texts = [str(part) for part in parts]
    return str(uuid5(NAMESPACE, kind + "".join(f"\x1f{len(text)}:{text}" for text in texts)))


def item_id(group: str, engagement: str, content_hash: str, file_name: str) -> str:
    """An evidence item: this content under this name in this engagement."""
    return _id("item", group, engagement, content_hash, file_name)


def bronze_id(item: str) -> str:
    """The bronze row of an item."""
    return _id("bronze", item)


def ingestion_log_id(item: str, pipeline_version: str) -> str:
    """The ingestion log row of an item for one pipeline version."""
    return _id("ingestion_log", item, pipeline_version)


def deletion_log_id(item: str) -> str:
    """The ingestion log row that says that an item was deleted."""
    return _id("deletion_log", item)


def fragment_id(item: str, ordinal: int, parser_version: str) -> str:
    """A text fragment of an item."""
    return _id("fragment", item, ordinal, parser_version)


def entity_id(group: str, engagement: str, entity_type: str, key: str) -> str:
    """What texts of an engagement name, whichever of them does; `key` is its name in lower case."""
    return _id("entity", group, engagement, entity_type, key)


def extracted_entity_id(fragment: str, entity: str) -> str:
    """The row that says that a fragment names an entity."""
    return _id("extracted_entity", fragment, entity)


def quality_event_id(item: str) -> str:
    """The quality event written when an item is first published."""
    return _id("quality_event", item)


def batch_id(group: str, day: date, number: int) -> str:
    """The ledger batch `number` (from 1) of a group's day."""
    return _id("batch", group, day.isoformat(), number)


def anomaly_id(profile_run: str, schema: str, table: str, column: str, rule: str) -> str:
    """An anomaly: a rule on a column in a profile run; `column` is '' for the table's own."""
    return _id("anomaly", profile_run, schema, table, column, rule)


def drift_id(table: str, batch: str, item: str, *change: str) -> str:
    """A change of a dataset table's column by a batch: what kind, which column, old and new type.

    The table's name stands for its group: it is never told without that.
    """
    return _id("drift", table, batch, item, *change)


def output_id(group: str, path: str) -> str:
    """The output of a task at a path of a group."""
    return _id("output", group, path)


def stored_name(item: str, file_name: str) -> str:
    """Last part of a stored path: first 16 hex digits of the item's id, `_`, the file's name."""
    return f"{item.replace('-', '')[:16]}_{file_name}"
