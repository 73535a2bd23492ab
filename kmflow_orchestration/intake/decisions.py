"""What an arriving file is: new, known, a duplicate, a return, and what it supersedes (design AD5).

Pure and sequential: deciding over a batch in slices gives what deciding over the whole gives, so a
batch that was killed half-way ends like one that was not. In the end, whatever the order, the items
that are not superseded are exactly the (content, name) pairs the landing paths last held, and one
of each content in an engagement is its original.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from kmflow_orchestration import identity
from kmflow_orchestration.metadata.intake_records import LIVE, State
from kmflow_orchestration.names import GroupId


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A file of a batch after it was read. `item_id` is what this content under this name is.

    `stored_path` and `backend` say where its bytes go, should they have to be stored.
    """

    path: str
    engagement_id: str
    file_name: str
    content_hash: str
    first_seen_at: datetime
    item_id: str
    stored_path: str = ""
    backend: str = ""

    @classmethod
    def of(
        cls,
        group: GroupId,
        engagement: str,
        path: str,
        *,
        content_hash: str,
        first_seen_at: datetime,
    ) -> Arrival:
        name = path.rpartition("/")[2]
        return cls(
            path=path,
            engagement_id=engagement,
            file_name=name,
            content_hash=content_hash,
            first_seen_at=first_seen_at,
            item_id=identity.item_id(group, engagement, content_hash, name),
        )

    @property
    def order(self) -> tuple[datetime, str]:
        return (self.first_seen_at, self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownItem:
    """What deciding needs to know of an item."""

    item_id: str
    engagement_id: str
    content_hash: str
    state: State
    first_seen_at: datetime
    landing_path: str
    stored_path: str = ""
    backend: str = ""
    duplicate_of_id: str | None = None
    supersedes_id: str | None = None

    @property
    def order(self) -> tuple[datetime, str]:
        return (self.first_seen_at, self.landing_path)

    @property
    def is_original(self) -> bool:
        """Neither superseded nor a copy of another item; it may be quarantined."""
        return self.state not in {State.SUPERSEDED, State.DUPLICATE}


@dataclass(frozen=True, slots=True)
class Known:
    """The ledger's present knowledge: items by id, and the item each landing path last became."""

    items: Mapping[str, KnownItem]
    sources: Mapping[str, str]


class Kind(StrEnum):
    """What an arrival turned out to be."""

    UNCHANGED = "unchanged"
    SAME_ITEM = "same_item"
    NEW = "new"
    DUPLICATE = "duplicate"
    REVIVED = "revived"


@dataclass(frozen=True, slots=True)
class Decision:
    """About one arrival. `needs_bytes` says its content is stored nowhere yet."""

    arrival: Arrival
    kind: Kind
    needs_bytes: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Decisions in order, and every item they made or changed as it is at the end.

    `superseded`, `moved` (revived or promoted into the batch) and `demoted` (an original that left
    and came back as a duplicate: it has no rows of its own any more) name items known before.
    """

    decisions: tuple[Decision, ...]
    items: Mapping[str, KnownItem]
    new_ids: frozenset[str]
    superseded: frozenset[str]
    moved: frozenset[str]
    demoted: frozenset[str]

    @property
    def needing_bytes(self) -> tuple[Arrival, ...]:
        return tuple(decision.arrival for decision in self.decisions if decision.needs_bytes)


def decide(arrivals: Iterable[Arrival], known: Known) -> Plan:
    """Decide over arrivals in the order of (first seen, landing path).

    `known` must hold the items of the arrivals' contents and paths, all copies of these items'
    contents, and all sources of all of them.
    """
    evidence = _Evidence(known)
    decisions = tuple(
        evidence.take(arrival) for arrival in sorted(arrivals, key=lambda arrival: arrival.order)
    )
    touched = {item_id: evidence.items[item_id] for item_id in evidence.touched}
    old = {item_id: item for item_id, item in touched.items() if item_id in known.items}
    return Plan(
        decisions=decisions,
        items=touched,
        new_ids=frozenset(touched) - frozenset(old),
        superseded=frozenset(key for key, item in old.items() if item.state is State.SUPERSEDED),
        moved=frozenset(key for key in evidence.moved if key in old and old[key].state in LIVE),
        demoted=frozenset(
            key
            for key, item in old.items()
            if item.state is State.DUPLICATE and known.items[key].state in LIVE
        ),
    )


def decide_deletion(item_id: str, known: Known) -> Plan:
    """What it changes that an item is deleted: its earliest duplicate stands in for it.

    `known` must hold the item and all copies of its content. The plan is about the others alone.
    """
    evidence = _Evidence(known)
    evidence.leave(item_id)
    others = {key: evidence.items[key] for key in evidence.touched - {item_id}}
    nothing = frozenset[str]()
    return Plan((), others, nothing, nothing, frozenset(evidence.moved), nothing)


class _Evidence:
    """The working state of one decision: changes with every arrival."""

    def __init__(self, known: Known) -> None:
        self.items = dict(known.items)
        self.sources = dict(known.sources)
        self.touched: set[str] = set()
        self.moved: set[str] = set()
        self._copies: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._paths: defaultdict[str, set[str]] = defaultdict(set)
        for item in known.items.values():
            self._copies[item.engagement_id, item.content_hash].add(item.item_id)
        for path, item_id in known.sources.items():
            self._paths[item_id].add(path)

    def take(self, arrival: Arrival) -> Decision:
        former = self.sources.get(arrival.path)
        if former == arrival.item_id:
            return Decision(arrival, Kind.UNCHANGED)
        decision = self._enter(arrival)
        self._point(arrival.path, former, arrival.item_id)
        if former is not None and not self._paths[former]:
            self._supersede(former)
            self._change(arrival.item_id, supersedes_id=former)
        return decision

    def leave(self, item_id: str) -> None:
        item = self.items[item_id]
        self._change(item_id, state=State.DELETING, duplicate_of_id=None)
        if item.is_original:
            self._promote(item)

    def _enter(self, arrival: Arrival) -> Decision:
        item = self.items.get(arrival.item_id)
        if item is not None and item.state is not State.SUPERSEDED:
            return Decision(arrival, Kind.SAME_ITEM)
        original = self._original(arrival)
        if item is not None:
            self._return(item, original)
            return Decision(arrival, Kind.REVIVED)
        stored = next((self.items[key] for key in sorted(self._copies[_content(arrival)])), None)
        self._make(arrival, original, stored)
        kind = Kind.NEW if original is None else Kind.DUPLICATE
        return Decision(arrival, kind, needs_bytes=stored is None)

    def _original(self, arrival: Arrival) -> KnownItem | None:
        copies = (self.items[key] for key in self._copies[_content(arrival)])
        return min(
            (item for item in copies if item.is_original), key=lambda item: item.order, default=None
        )

    def _make(self, arrival: Arrival, original: KnownItem | None, stored: KnownItem | None) -> None:
        self.items[arrival.item_id] = KnownItem(
            item_id=arrival.item_id,
            engagement_id=arrival.engagement_id,
            content_hash=arrival.content_hash,
            state=State.STORED if original is None else State.DUPLICATE,
            first_seen_at=arrival.first_seen_at,
            landing_path=arrival.path,
            stored_path=stored.stored_path if stored else arrival.stored_path,
            backend=stored.backend if stored else arrival.backend,
            duplicate_of_id=original.item_id if original else None,
        )
        self._copies[_content(arrival)].add(arrival.item_id)
        self.touched.add(arrival.item_id)

    def _return(self, item: KnownItem, original: KnownItem | None) -> None:
        if original is None:
            self._change(item.item_id, state=State.STORED, duplicate_of_id=None)
            self.moved.add(item.item_id)
        else:
            self._change(item.item_id, state=State.DUPLICATE, duplicate_of_id=original.item_id)

    def _point(self, path: str, former: str | None, item_id: str) -> None:
        if former is not None:
            self._paths[former].discard(path)
        self.sources[path] = item_id
        self._paths[item_id].add(path)

    def _supersede(self, item_id: str) -> None:
        item = self.items[item_id]
        was_original = item.is_original
        self._change(item_id, state=State.SUPERSEDED, duplicate_of_id=None)
        if was_original:
            self._promote(item)

    def _promote(self, former: KnownItem) -> None:
        """The earliest duplicate becomes the original, the others its duplicates."""
        copies = (
            self.items[key] for key in self._copies[former.engagement_id, former.content_hash]
        )
        duplicates = sorted(
            (item for item in copies if item.state is State.DUPLICATE), key=lambda item: item.order
        )
        for rank, item in enumerate(duplicates):
            if rank == 0:
                self._change(item.item_id, state=State.STORED, duplicate_of_id=None)
                self.moved.add(item.item_id)
            else:
                self._change(item.item_id, duplicate_of_id=duplicates[0].item_id)

    def _change(self, item_id: str, **fields: object) -> None:
        self.items[item_id] = replace(self.items[item_id], **fields)  # type: ignore[arg-type]
        self.touched.add(item_id)


def _content(arrival: Arrival) -> tuple[str, str]:
    return (arrival.engagement_id, arrival.content_hash)
