"""All about one thing in quarantine: why it is there, where it is wrong, and how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.converters.failures import FAILED
from kmflow_orchestration.errors import KmflowError, UnknownEvidence
from kmflow_orchestration.intake import entry_rules
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.file_rules import rule_of
from kmflow_orchestration.intake.quarantine import QuarantineStore
from kmflow_orchestration.metadata.dataset_tables import DatasetTables
from kmflow_orchestration.metadata.intake_records import State
from kmflow_orchestration.metadata.quarantine_records import ROWS_REJECTED, Held, HeldBack
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.convert_evidence import CRASHED
from kmflow_orchestration.operations.offending_place import OffendingPlace, offending_place
from kmflow_orchestration.operations.quarantine import held_under
from kmflow_orchestration.storage.evidence_stores import EvidenceStores, StoredFiles

_AGAIN = "then `retry`"
_HOW: Mapping[str, str] = {
    entry_rules.NO_ENGAGEMENT: "move it into the folder of an engagement",
    entry_rules.BAD_NAME: "rename it, or its folder",
    entry_rules.PATH_TRICK: "drop the file itself in the place of the link",
    entry_rules.UNREADABLE: f"let the process read it, {_AGAIN}",
    entry_rules.VANISHED: f"drop it again, {_AGAIN} if it is not taken by itself",
    entry_rules.EMPTY: "drop it again, filled; or `accept` that it is empty",
    entry_rules.TOO_LARGE: f"raise MAX_UPLOAD_SIZE_MB, {_AGAIN}; or split it",
    entry_rules.TYPE_NOT_ALLOWED: "drop it as a type that may enter; or `accept` that it stays out",
    "encrypted": "`retry --password-env NAME`, or drop it without its password",
    "missing_memo": "drop it with its memo file; or `retry --ignore-missing-memo`",
    "wrong_encoding": "`retry --encoding NAME`, or drop it in UTF-8",
    "ragged_rows": "`retry` with other options, such as --delimiter, --quote or --header-row",
    "no_header": "`retry --header-row N` or `--no-header`; or `accept` that it holds no table",
    "record_too_long": "`retry` with the right --quote and --delimiter",
    "too_deep": "drop it less deeply nested",
    "xml_entities": "drop it without a document type",
    CRASHED: f"give conversion more memory, {_AGAIN}; or drop it smaller",
    FAILED: f"a fault of a reader: report it with the file; {_AGAIN} with a newer version",
    ROWS_REJECTED: "`retry` with other options, or `accept` that these rows are left out",
}
_OTHERWISE = f"drop it again, mended; {_AGAIN} after a newer version of the reader"
_WAITS = "it is tried again by itself; `retry` does so at once"


@dataclass(frozen=True, slots=True)
class RejectedPart:
    """How many rows of a part were left out, of how many that were read."""

    part: str
    table: str
    rejected: int
    read: int


@dataclass(frozen=True, slots=True)
class HeldDetails:
    """One thing that is kept back; `problem` is why its bytes could not be looked into."""

    entry: HeldBack
    rule: str
    setting: str
    how: str
    place: OffendingPlace | None = None
    parts: tuple[RejectedPart, ...] = ()
    problem: str = ""


def show_quarantined(
    group: str,
    item: str,
    *,
    caller: Caller,
    quarantine: QuarantineStore,
    register: EvidenceRegister,
    registry: DatasetTables,
    stores: EvidenceStores,
) -> tuple[HeldDetails, ...]:
    """What is kept back under an id or a landing path; accepted or not.

    Raises:
        CallerRefused: the group is none of the caller's.
        UnknownEvidence: nothing of that id or path is in quarantine.
    """
    own = caller.require(Role.VIEWER, group)
    found = held_under(item, quarantine.all(own))
    if not found:
        raise UnknownEvidence(
            f"nothing of group {own} is in quarantine as {item!r}",
            hint=f"kmflow quarantine list --group {own} --accepted; or kmflow files why PATH",
        )
    return tuple(_details(own, one, register, registry, stores) for one in found)


def _details(
    group: GroupId,
    entry: HeldBack,
    register: EvidenceRegister,
    registry: DatasetTables,
    stores: EvidenceStores,
) -> HeldDetails:
    state = State.FAILED if entry.kind is Held.FAILED else State.QUARANTINED
    rule = rule_of(state, entry.code)
    how = _WAITS if entry.kind is Held.FAILED else _HOW.get(entry.code, _OTHERWISE)
    place, problem = None, ""
    if entry.kind is Held.ITEM:
        try:
            place = _place(register, group, entry, StoredFiles(stores))
        except (KmflowError, OSError) as error:
            problem = f"its stored bytes cannot be read now: {error}"
    parts = _parts(registry, group, entry) if entry.kind is Held.ROWS else ()
    text = rule.text if entry.kind in {Held.FILE, Held.FAILED} else ""
    return HeldDetails(entry, text, rule.setting, how, place, parts, problem)


def _place(
    register: EvidenceRegister, group: GroupId, entry: HeldBack, stored: StoredFiles
) -> OffendingPlace | None:
    item = register.find(group, entry.item_id)
    with stored.open_read(item.backend, item.stored_path) as stream:
        return offending_place(stream, entry.message)


def _parts(registry: DatasetTables, group: GroupId, entry: HeldBack) -> tuple[RejectedPart, ...]:
    return tuple(
        RejectedPart(part.part, part.table_name, rejected, int(part.receipt.get("rows_read", 0)))
        for part in registry.of_items(group, [entry.item_id])
        if (rejected := int(part.receipt.get(ROWS_REJECTED, 0)))
    )
