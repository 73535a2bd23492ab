"""Evidence items of a group: what they are, where they stand, what they scored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import Row as RowOf
from sqlalchemy import Table, bindparam, func, insert, or_, select, true, update
from sqlalchemy.orm import Session

from kmflow_orchestration.errors import StateConflict
from kmflow_orchestration.metadata.in_lists import slices
from kmflow_orchestration.metadata.intake_records import (
    LIVE,
    Item,
    Quarantine,
    Scores,
    SideFile,
    State,
    TakenIn,
)
from kmflow_orchestration.metadata.intake_tables import EvidenceItemRow as Row
from kmflow_orchestration.names import GroupId


class EvidenceItems:
    """Statements about evidence items, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def by_id(self, group: GroupId, item_ids: Sequence[str]) -> dict[str, Item]:
        """The items that exist among these ids."""
        query = _EVERYTHING.where(_C.group_id == group)
        return {
            row.id: _item(row)
            for some in slices(item_ids)
            for row in self._session.execute(query.where(_C.id.in_(some)))
        }

    def by_content(self, group: GroupId, hashes: Sequence[str]) -> dict[str, Item]:
        """All items with one of these contents, in whatever engagement."""
        query = _EVERYTHING.where(_C.group_id == group)
        return {
            row.id: _item(row)
            for some in slices(hashes)
            for row in self._session.execute(query.where(_C.content_hash.in_(some)))
        }

    def of_batch(self, group: GroupId, batch_id: str) -> list[Item]:
        """All items of a batch that were stored, by landing path."""
        query = _EVERYTHING.where(_C.group_id == group, _C.batch_id == batch_id).order_by(
            _C.landing_path, _C.id
        )
        return [_item(row) for row in self._session.execute(query)]

    def listed(
        self, group: GroupId, engagement: str | None, limit: int, offset: int = 0
    ) -> list[Item]:
        """Items of the group, or of one engagement, newest first, after the first `offset`."""
        query = (
            _EVERYTHING.where(_C.group_id == group)
            .where(true() if engagement is None else _C.engagement_id == engagement)
            .order_by(_C.stored_at.desc(), _C.landing_path, _C.id)
            .limit(limit)
            .offset(offset)
        )
        return [_item(row) for row in self._session.execute(query)]

    def states_of_batch(self, group: GroupId, batch_id: str) -> dict[str, State]:
        """The state of each item of a batch, by id."""
        query = select(Row.id, Row.state).where(Row.group_id == group, Row.batch_id == batch_id)
        return {item_id: State(state) for item_id, state in self._session.execute(query)}

    def count_of_batches(
        self, group: GroupId, batch_ids: Sequence[str], states: Iterable[State] | None = None
    ) -> int:
        """Number of items of some batches that were stored, or those that now are in a state."""
        query = select(func.count()).select_from(_ITEMS).where(_C.group_id == group)
        if states is not None:
            query = query.where(_C.state.in_(sorted(states)))
        counts = (
            self._session.scalar(query.where(_C.batch_id.in_(some))) for some in slices(batch_ids)
        )
        return sum(count or 0 for count in counts)

    def taken_in(self, group: GroupId, batch_id: str) -> TakenIn:
        """How much of a batch became items."""
        is_copy = Row.duplicate_of_id.is_not(None)
        query = select(
            func.count(),
            func.count().filter(is_copy),
            func.coalesce(func.sum(Row.size_bytes).filter(~is_copy), 0),
        ).where(Row.group_id == group, Row.batch_id == batch_id)
        items, copies, size_bytes = self._session.execute(query).one()
        # PostgreSQL adds whole numbers up to a decimal one.
        return TakenIn(items, copies, int(size_bytes))

    def add(self, group: GroupId, items: Iterable[Item], now: datetime) -> None:
        """Insert new items."""
        rows = [_row(group, item, now) for item in items]
        if rows:
            # Into the table: by way of the mapped class every row is taken apart once more.
            self._session.execute(insert(_ITEMS), rows)

    def change(self, group: GroupId, items: Iterable[Item], now: datetime) -> None:
        """Write what a decision changed of known items: state, links and batch."""
        rows = [
            {
                "g": group,
                "i": item.item_id,
                "v": item.version,
                "n_state": item.state,
                "n_duplicate": item.duplicate_of_id,
                "n_supersedes": item.supersedes_id,
                "n_batch": item.batch_id,
                "n_code": item.reason,
                "n_message": item.message,
                "n_now": now,
            }
            for item in items
        ]
        if rows:
            self._session.execute(_CHANGE, rows)

    def move(self, group: GroupId, moves: Iterable[tuple[Item, str, str]], now: datetime) -> int:
        """Items whose bytes lie elsewhere by now: backend and path of each; how many it changed.

        Where an item's bytes were until now is what this compares: an item that was moved, or
        stored anew, meanwhile stays as it is.
        """
        rows = [
            {
                "g": group,
                "i": item.item_id,
                "o_backend": item.backend,
                "o_path": item.stored_path,
                "n_backend": backend,
                "n_path": path,
                "n_now": now,
            }
            for item, backend, path in moves
        ]
        if not rows:
            return 0
        return int(self._session.execute(_MOVE, rows).rowcount)  # type: ignore[attr-defined]

    def mark_converted(
        self, group: GroupId, marks: Mapping[str, tuple[str, bool]], now: datetime
    ) -> None:
        """Mark items converted; each with its converter's version and whether it has none.

        A published item stays published.

        Raises:
            StateConflict: an item is not live any more.
        """
        ids = list(marks)
        live = {item.item_id: item for item in self.by_id(group, ids).values() if item.is_live}
        gone = [item_id for item_id in ids if item_id not in live]
        if gone:
            raise StateConflict(f"item {gone[0]} left the batch", hint="run the step again")
        rows = [
            {
                "g": group,
                "i": item_id,
                "v": live[item_id].version,
                "n_state": max(live[item_id].state, State.CONVERTED, key=_RANK.index),
                "n_version": version,
                "n_none": has_none,
                "n_now": now,
            }
            for item_id, (version, has_none) in marks.items()
        ]
        if rows:
            self._session.execute(_CONVERTED, rows)

    def quarantine(
        self, group: GroupId, item_id: str, *, code: str, message: str, now: datetime
    ) -> None:
        """Take a stored item out of the tables. Raises StateConflict if it is superseded."""
        result = self._session.execute(
            update(Row)
            .where(
                Row.group_id == group,
                Row.id == item_id,
                Row.state.in_((*LIVE, State.QUARANTINED)),
            )
            .values(
                state=State.QUARANTINED,
                code=code,
                message=message,
                updated_at=now,
                version=Row.version + 1,
            )
            .execution_options(synchronize_session=False)
        )
        if result.rowcount != 1:  # type: ignore[attr-defined]
            raise StateConflict(f"item {item_id} is not live", hint="run the step again")

    def publish(
        self, group: GroupId, batch_id: str, scores: Mapping[str, Scores], now: datetime
    ) -> None:
        """Publish a batch's live items; scores enter only where an item has none yet."""
        rows = [
            {
                "g": group,
                "i": item_id,
                "b": batch_id,
                "n_completeness": score.completeness,
                "n_reliability": score.reliability,
                "n_freshness": score.freshness,
                "n_consistency": score.consistency,
                "n_composite": score.composite,
                "n_weights": score.weights_json,
                "n_now": now,
            }
            for item_id, score in scores.items()
        ]
        if rows:
            self._session.execute(_SCORED, rows)
        self._session.execute(
            update(Row)
            .where(
                Row.group_id == group,
                Row.batch_id == batch_id,
                Row.state.in_((State.STORED, State.CONVERTED)),
            )
            .values(state=State.PUBLISHED, updated_at=now, version=Row.version + 1)
            .execution_options(synchronize_session=False)
        )

    def counts(self, group: GroupId) -> dict[tuple[str, State], int]:
        """Number of items by engagement and state."""
        query = (
            select(Row.engagement_id, Row.state, func.count())
            .where(Row.group_id == group)
            .group_by(Row.engagement_id, Row.state)
        )
        return {(name, State(state)): count for name, state, count in self._session.execute(query)}

    def live_by_category(self, group: GroupId) -> dict[tuple[str, str], int]:
        """Number of live items by engagement and category."""
        query = (
            select(Row.engagement_id, Row.category, func.count())
            .where(Row.group_id == group, Row.state.in_(LIVE))
            .group_by(Row.engagement_id, Row.category)
        )
        return {(name, kind): count for name, kind, count in self._session.execute(query)}

    def quarantined(self, group: GroupId, day: date | None = None) -> list[Quarantine]:
        """Items that were refused at conversion, by landing path, of one day when asked so."""
        query = (
            select(Row)
            .where(Row.group_id == group, Row.state == State.QUARANTINED)
            .where(true() if day is None else Row.received_on == day)
            .order_by(Row.landing_path, Row.id)
        )
        return [
            Quarantine(row.landing_path, row.code, row.message, row.id)
            for row in self._session.scalars(query)
        ]


_RANK = (State.STORED, State.CONVERTED, State.PUBLISHED)
_ITEMS = cast("Table", Row.__table__)
_C = _ITEMS.c
# Rows of the table: as objects of the mapped class ten thousand of them take a second longer.
_EVERYTHING = select(_ITEMS)
_SAME_VERSION = (
    _C.group_id == bindparam("g"),
    _C.id == bindparam("i"),
    _C.version == bindparam("v"),
)
_CHANGE = (
    update(_ITEMS)
    .where(*_SAME_VERSION)
    .values(
        state=bindparam("n_state"),
        duplicate_of_id=bindparam("n_duplicate"),
        supersedes_id=bindparam("n_supersedes"),
        batch_id=bindparam("n_batch"),
        code=bindparam("n_code"),
        message=bindparam("n_message"),
        updated_at=bindparam("n_now"),
        version=_C.version + 1,
    )
)
# The version stays: no decision about an item hangs on where its bytes are.
_MOVE = (
    update(_ITEMS)
    .where(
        _C.group_id == bindparam("g"),
        _C.id == bindparam("i"),
        _C.backend == bindparam("o_backend"),
        _C.file_path == bindparam("o_path"),
    )
    .values(
        backend=bindparam("n_backend"), file_path=bindparam("n_path"), updated_at=bindparam("n_now")
    )
)
_CONVERTED = (
    update(_ITEMS)
    .where(*_SAME_VERSION)
    .values(
        state=bindparam("n_state"),
        converter_version=bindparam("n_version"),
        no_converter=bindparam("n_none"),
        updated_at=bindparam("n_now"),
        version=_C.version + 1,
    )
)
_SCORED = (
    update(_ITEMS)
    .where(
        _C.group_id == bindparam("g"),
        _C.id == bindparam("i"),
        _C.batch_id == bindparam("b"),
        # Not `in_`, which cannot be used for many rows at once.
        or_(*(_C.state == state for state in sorted(LIVE))),
        _C.scores_at.is_(None),
    )
    .values(
        completeness_score=bindparam("n_completeness"),
        reliability_score=bindparam("n_reliability"),
        freshness_score=bindparam("n_freshness"),
        consistency_score=bindparam("n_consistency"),
        quality_score=bindparam("n_composite"),
        quality_weights=bindparam("n_weights"),
        scores_at=bindparam("n_now"),
        version=_C.version + 1,
    )
)


def _row(group: GroupId, item: Item, now: datetime) -> dict[str, object]:
    side = item.side
    return {
        "id": item.item_id,
        "group_id": group,
        "engagement_id": item.engagement_id,
        "name": item.file_name,
        "category": item.category,
        "format": item.format,
        "content_hash": item.content_hash,
        "file_path": item.stored_path,
        "size_bytes": item.size_bytes,
        "mime_type": item.media_type,
        "metadata_json": json.dumps(side.as_dict(), sort_keys=True, ensure_ascii=False),
        "source_date": side.source_date,
        "source_system": side.source_system,
        "classification": side.classification or "internal",
        "duplicate_of_id": item.duplicate_of_id,
        "supersedes_id": item.supersedes_id,
        "created_at": now,
        "updated_at": now,
        "landing_path": item.landing_path,
        "backend": item.backend,
        "batch_id": item.batch_id,
        "received_on": item.received_on,
        "first_seen_at": item.first_seen_at,
        "stored_at": item.stored_at,
        "state": item.state,
    }


def _item(row: RowOf[Any]) -> Item:
    return Item(
        item_id=row.id,
        group_id=row.group_id,
        engagement_id=row.engagement_id,
        file_name=row.name,
        content_hash=row.content_hash,
        size_bytes=row.size_bytes,
        stored_path=row.file_path,
        media_type=row.mime_type,
        category=row.category,
        format=row.format,
        state=State(row.state),
        received_on=row.received_on,
        first_seen_at=row.first_seen_at,
        stored_at=row.stored_at,
        landing_path=row.landing_path,
        backend=row.backend,
        batch_id=row.batch_id,
        duplicate_of_id=row.duplicate_of_id,
        supersedes_id=row.supersedes_id,
        side=SideFile.from_dict(json.loads(row.metadata_json)),
        scores=_scores(row),
        scores_at=row.scores_at,
        converter_version=row.converter_version,
        no_converter=row.no_converter,
        fragment_count=row.fragment_count,
        reason=row.code,
        message=row.message,
        deleted_at=row.deleted_at,
        deleted_by=row.deleted_by or "",
        version=row.version,
    )


def _scores(row: RowOf[Any]) -> Scores | None:
    if row.scores_at is None:
        return None
    return Scores(
        row.completeness_score,
        row.reliability_score,
        row.freshness_score,
        row.consistency_score,
        row.quality_score,
        row.quality_weights,
    )
