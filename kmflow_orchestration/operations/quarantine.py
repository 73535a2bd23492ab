"""What waits in quarantine for a person: listing it, trying it again, accepting it (CD-N4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.errors import InvalidOptions, InvalidSettings, UnknownEvidence
from kmflow_orchestration.intake.corrections import CorrectionStore
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.file_history import FileHistory
from kmflow_orchestration.intake.quarantine import QuarantineStore
from kmflow_orchestration.metadata.correction_records import PASSWORD, Change, Scope
from kmflow_orchestration.metadata.quarantine_records import Held, HeldBack
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.convert.option_table import BY_NAME
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.correction_plans import kept_options, knows

_LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class QuarantineList:
    """Some of what is kept back, and how many there are of each code in all that was asked for."""

    entries: tuple[HeldBack, ...]
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Retry:
    """What is tried again, or would be in a dry run.

    `unchanged` are those asked for that are not in quarantine any more, `corrected` the items that
    are read with other options from now on.
    """

    tried: tuple[HeldBack, ...]
    unchanged: tuple[str, ...] = ()
    corrected: tuple[HeldBack, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was accepted now, and what was before or is not in quarantine any more."""

    accepted: tuple[HeldBack, ...]
    unchanged: tuple[str, ...] = ()


def list_quarantine(
    group: str,
    *,
    caller: Caller,
    quarantine: QuarantineStore,
    engagement: str | None = None,
    code: str | None = None,
    accepted: bool = False,
    limit: int = 1000,
) -> QuarantineList:
    """What is kept back, by landing path; with `accepted` also what somebody accepted.

    Raises:
        CallerRefused: the group is none of the caller's.
    """
    own = caller.require(Role.VIEWER, group)
    found = [
        one
        for one in quarantine.all(own)
        if (accepted or one.is_open)
        and engagement in {None, one.engagement_id}
        and code in {None, one.code}
    ]
    counts = Counter(one.code for one in found)
    return QuarantineList(tuple(found[:limit]), dict(sorted(counts.items())))


def retry_quarantined(
    group: str,
    items: Sequence[str] = (),
    *,
    caller: Caller,
    quarantine: QuarantineStore,
    corrections: CorrectionStore,
    register: EvidenceRegister,
    history: FileHistory,
    everything: bool = False,
    code: str | None = None,
    options: Mapping[str, Any] | None = None,
    password: SecretRef | None = None,
    dry_run: bool = False,
) -> Retry:
    """Have what is kept back tried again by the next run; a repeat changes nothing.

    `items` are ids or landing paths; `everything` takes all that is open, of one `code` if asked
    so. `options` of readers are remembered as corrections of these items, and so is where their
    `password` is kept, for the runs that read them; the password itself is not.

    Raises:
        CallerRefused: the group is none of the caller's, or the caller may not change anything.
        InvalidSettings: neither items nor everything were named, or both.
        UnknownEvidence: the group has nothing of that id or path.
        InvalidOptions: an option that no reader has, or not the reader of such a file.
    """
    own = caller.require(Role.EDITOR, group)
    known = quarantine.all(own)
    if everything is bool(items):
        raise InvalidSettings(
            "nothing was named, or too much", fields=("items",), hint="name items, or --all"
        )
    if everything:
        chosen = [one for one in known if one.is_open]
        unchanged: tuple[str, ...] = ()
    else:
        chosen, unchanged = _named(own, items, known, register, history)
    chosen = [one for one in chosen if code in {None, one.code}]
    given = _given(options or {})
    if password is not None:
        given[PASSWORD] = str(password)
    changes = [change for one in chosen for change in _changes(one, given)]
    # Without other options the same rows would be left out again: only an acceptance is undone.
    tried = tuple(one for one in chosen if given or one.kind is not Held.ROWS or not one.is_open)
    corrected = tuple(one for one in tried if given)
    if not dry_run and tried:
        # First: then the batch that the corrections are about holds these items alone.
        done = quarantine.retry(own, tried, actor=caller.group_email)
        gone = {one.subject for one in done.left}
        if changes:
            corrections.change(own, changes, actor=caller.group_email)
        tried = tuple(one for one in tried if one.subject not in gone)
        unchanged = (*unchanged, *sorted(gone))
    shown = given if password is None else {**given, PASSWORD: password.shown}
    return Retry(tried, unchanged, corrected, shown, is_dry_run=dry_run)


def accept_quarantined(
    group: str,
    items: Sequence[str],
    reason: str,
    *,
    caller: Caller,
    quarantine: QuarantineStore,
    register: EvidenceRegister,
    history: FileHistory,
) -> Accepted:
    """Note that these are fine as they are: they leave the queue until they are tried again.

    Raises:
        CallerRefused: as `retry_quarantined`.
        InvalidSettings: no reason, or a file that will be tried again by itself.
        UnknownEvidence: the group has nothing of that id or path.
    """
    own = caller.require(Role.EDITOR, group)
    told = reason.strip()
    if not told or len(told) > _LONGEST_REASON:
        raise InvalidSettings(
            f"a reason has 1 to {_LONGEST_REASON} characters",
            fields=("reason",),
            hint="say why it is fine as it is",
        )
    chosen, unchanged = _named(own, items, quarantine.all(own), register, history)
    for one in chosen:
        if one.kind is Held.FAILED:
            raise InvalidSettings(
                f"{one.path} is tried again by itself: there is nothing to accept yet",
                fields=("items",),
                hint=f"kmflow quarantine show {one.path} --group {own}",
            )
    done = quarantine.accept(own, chosen, told, actor=caller.group_email)
    new = {one.subject for one in done.changed}
    same = tuple(one.subject for one in chosen if one.subject not in new)
    return Accepted(done.changed, (*unchanged, *same))


def _named(
    group: GroupId,
    items: Collection[str],
    known: Sequence[HeldBack],
    register: EvidenceRegister,
    history: FileHistory,
) -> tuple[list[HeldBack], tuple[str, ...]]:
    """What these ids and paths mean, and those that mean nothing that is kept back."""
    chosen: dict[tuple[str, str], HeldBack] = {}
    unchanged: list[str] = []
    for name in dict.fromkeys(items):
        found = held_under(name, known)
        if not found:
            _check_known(group, name, register, history)
            unchanged.append(name)
        chosen |= {(one.kind, one.subject): one for one in found}
    return list(chosen.values()), tuple(unchanged)


def held_under(name: str, known: Sequence[HeldBack]) -> list[HeldBack]:
    """What is kept back under an id or a landing path."""
    return [one for one in known if name in {one.item_id, one.path}]


def _check_known(
    group: GroupId, name: str, register: EvidenceRegister, history: FileHistory
) -> None:
    try:
        # No database has a NUL in a text, and PostgreSQL cannot even be asked about one.
        record = None if "\0" in name else history.of_path(group, name)
        if record is None or (record.line is None and not record.events):
            register.find(group, name)
    except UnknownEvidence as error:
        raise UnknownEvidence(
            f"group {group} has no file or item {name!r}",
            hint=f"kmflow quarantine list --group {group}",
        ) from error


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Reader options, checked. Raises InvalidOptions."""
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name in BY_NAME and not BY_NAME[name].is_readers:
            raise InvalidOptions(
                f"{BY_NAME[name].flags[0]} says nothing about how a file is read",
                hint="kmflow formats lists the options of each format",
            )
    return kept_options(conversion_options(given).reader)


def _changes(one: HeldBack, options: Mapping[str, Any]) -> list[Change]:
    """Corrections of one item. Raises InvalidOptions."""
    if not options:
        return []
    if not one.item_id:
        raise InvalidOptions(
            f"{one.path} was refused before anything was read: no option helps",
            hint=f"kmflow quarantine show {one.path} tells what does",
        )
    name = one.path.rpartition("/")[2]
    reader = default_converters().for_source(Source(Path(name), name))
    for option, value in options.items():
        if option == PASSWORD:
            continue
        if reader is not None and not knows(reader.name, reader.options(), option, value):
            raise InvalidOptions(
                f"{BY_NAME[option].flags[0]} means nothing to the {reader.name} converter,"
                f" which reads {one.path}",
                hint="leave it out, or name other items",
            )
    return [
        Change(one.engagement_id, Scope.ITEM, one.item_id, option, value)
        for option, value in options.items()
    ]
