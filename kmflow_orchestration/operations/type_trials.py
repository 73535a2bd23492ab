"""Whether the stored values of a column fit a type that somebody wants to set (row G18)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kmflow_orchestration.converters.staging import ConvertedItem, Outcome
from kmflow_orchestration.converters.type_lattice import EMPTY, ColumnType, join
from kmflow_orchestration.errors import BackendUnreachable, InvalidSettings
from kmflow_orchestration.intake.ledger import Item, Ledger
from kmflow_orchestration.metadata.dataset_tables import DatasetPart, DatasetTables
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.asked_types import first_misfit, known_need, raised
from kmflow_orchestration.operations.convert_evidence import StoredSource, convert_items
from kmflow_orchestration.operations.correction_receipts import reading_of
from kmflow_orchestration.storage.evidence_stores import EvidenceStores, StoredFiles

# Files staged at once: the first that does not fit ends it.
_AT_ONCE = 32


def check_type(
    group: GroupId,
    target: str,
    word: str,
    *,
    registry: DatasetTables,
    ledger: Ledger,
    stores: EvidenceStores,
    workers: int,
    work_dir: Path,
) -> None:
    """Look at every value of a column, `TABLE.COLUMN`, in the files that lie behind it.

    Only columns of text are read again: other types say by themselves whether they fit.

    Raises:
        InvalidSettings: a value does not fit, named with its file and row.
        BackendUnreachable: a file cannot be read now.
    """
    table, _, column = target.partition(".")
    trial = _Trial(group, column, word, ledger, StoredFiles(stores), workers, work_dir / "trial")
    parts = [part for part in registry.of_table(group, table) if not part.has_left]
    try:
        trial.check(table, parts)
    finally:
        shutil.rmtree(trial.work_dir, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Trial:
    group: GroupId
    column: str
    word: str
    ledger: Ledger
    stored: StoredFiles
    workers: int
    work_dir: Path

    def check(self, table: str, parts: Sequence[DatasetPart]) -> None:
        items = self.ledger.find_items(self.group, {part.item_id for part in parts})
        found = EMPTY
        doubtful: list[DatasetPart] = []
        for part in parts:
            if part.item_id not in items or not items[part.item_id].is_live:
                continue
            for column in part.columns:
                if column.name == self.column:
                    known = known_need(column, self.word)
                    if known is None:
                        doubtful.append(part)
                    else:
                        found = join(found, known)
        for start in range(0, len(doubtful), _AT_ONCE):
            some = doubtful[start : start + _AT_ONCE]
            found = join(found, self._read(table, some, items))
        if raised(self.word, found) is None:
            raise InvalidSettings(
                f"{table}.{self.column} cannot be {self.word}: each file's values fit it, but not"
                " those of all of them together",
                fields=("type",),
                hint="such as times with and without a zone; nothing was changed",
            )

    def _read(
        self, table: str, parts: Sequence[DatasetPart], items: Mapping[str, Item]
    ) -> ColumnType:
        # All parts of an item were read alike: the first one tells how.
        firsts = {part.item_id: part for part in reversed(parts)}
        sources = [
            StoredSource.of(items[key], reading_of(part)) for key, part in sorted(firsts.items())
        ]
        converted = convert_items(
            sources, self.stored, workers=self.workers, work_dir=self.work_dir
        )
        found = EMPTY
        for part in parts:
            one = converted[part.item_id]
            if one.outcome is Outcome.UNREACHABLE:
                raise BackendUnreachable(
                    items[part.item_id].backend, f"{part.file_name}: {one.message}"
                )
            found = join(found, self._needed(table, part, one))
        shutil.rmtree(self.work_dir, ignore_errors=True)
        return found

    def _needed(self, table: str, part: DatasetPart, converted: ConvertedItem) -> ColumnType:
        for staged in converted.tables:
            if staged.part == part.part and self.column in staged.types:
                found, misfit = first_misfit(self.column, self.word, staged)
                if misfit is not None:
                    raise InvalidSettings(
                        f"{table}.{self.column} cannot be {self.word}: {misfit.value[:80]!r} in row"
                        f" {misfit.row} of {part.file_name} does not fit; nothing was changed",
                        fields=("type",),
                        hint="set a type that holds it, or correct the file and drop it again;"
                        " of two readings --decimal or --date-order first says which",
                    )
                return found
        return EMPTY
