"""What is kept with a converted table of the corrections that it was converted by (row G18)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kmflow_orchestration.metadata.dataset_tables import DatasetPart
from kmflow_orchestration.operations.correction_plans import (
    CorrectedReading,
    CorrectionPlan,
    FilePlan,
    correction_facts,
)

CORRECTIONS = "corrections"
"""In a part's receipt: the corrections that had an effect, with by whom and since when."""
_READ_BY = "read_by"


def about_corrections(
    plan: CorrectionPlan, of_file: FilePlan, table: str, known: Collection[str]
) -> Mapping[str, Any]:
    """What a part's receipt says besides; nothing without a correction.

    `known` are the options that meant something to the file's converter.
    """
    applied = [*of_file.effective(known), *plan.types_of(table).values()]
    about: dict[str, Any] = {}
    if applied:
        about[CORRECTIONS] = [correction_facts(one) for one in applied]
    read_by = {name: value for name, value in of_file.options.items() if name in known}
    if read_by:
        about[_READ_BY] = read_by
    return about


def reading_of(part: DatasetPart) -> CorrectedReading | None:
    """How the file of a part was told to be read when it was last converted."""
    options = part.receipt.get(_READ_BY)
    return CorrectedReading(options) if options else None
