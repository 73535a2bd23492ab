"""The hygiene rules: a table of small pure functions over one column's profile.

A measure that is not known makes a rule silent, never guess: `_known` raises `_Silent`, which only
`Rule.examine` catches. Details hold counts, never a value of the data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from kmflow_orchestration.profiling.column_kinds import TEMPORAL, TEXT
from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.functional_types import PERSON_OR_PLACE
from kmflow_orchestration.profiling.sql_builder import months_after

DEFINITE, LIKELY, POSSIBLE = "Definite", "Likely", "Possible"
_PRIORITIES = {DEFINITE: "High", LIKELY: "Medium", POSSIBLE: "Low"}
_PLACEHOLDER_DATE = datetime(1, 1, 1, tzinfo=UTC)
_EARLIEST_DATE = datetime(1, 1, 2, tzinfo=UTC)
_LAST_UNLIKELY_DATE = datetime(1900, 1, 1, tzinfo=UTC)


T = TypeVar("T")


class _Silent(Exception):
    """A measure the rule needs is not known."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: how many rows are bad, and a sentence without values."""

    bad_rows: int
    detail: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One hygiene rule.

    `risk` (0 to 1) is how much a bad row hurts; `likelihood` how sure the rule is. `general_type`
    is the class it looks at, "" for any. `find` gives None when the column is fine.
    """

    id: int
    name: str
    general_type: str
    likelihood: str
    dimension: str
    impact_dimension: str
    risk: float
    advice: str
    find: Callable[[ColumnProfile], Finding | None]

    @property
    def priority(self) -> str:
        return _PRIORITIES[self.likelihood]

    @property
    def severity(self) -> str:
        """The same in the words of our completion message: high, medium or low."""
        return self.priority.lower()

    def examine(self, profile: ColumnProfile) -> Finding | None:
        """The finding on a column; None when it is fine, of another class, or not measured."""
        if self.general_type not in ("", profile.general_type):
            return None
        try:
            return self.find(profile)
        except _Silent:
            return None


def _known(value: T | None) -> T:
    if value is None:
        raise _Silent
    return value


def _of_text(profile: ColumnProfile, count: int | None) -> int:
    """A count only text has: 0 for other classes, so that all-NULL numbers are seen too."""
    return _known(count) if profile.general_type == TEXT else 0


def _fillers_that_count(profile: ColumnProfile) -> int:
    """Dummy fillers, unless all values are numbers: then 9999 is a number like any other."""
    filled = _of_text(profile, profile.filled_value_count)
    if not filled or profile.functional_data_type in {"Phone", "Zip"}:
        return filled
    return filled if _known(profile.numeric_count) != _known(profile.value_count) else 0


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} rows ({100 * part / whole:.1f} %)" if whole else f"{part} rows"


def _non_standard_blanks(profile: ColumnProfile) -> Finding | None:
    empty = _of_text(profile, profile.zero_length_count)
    filled = _fillers_that_count(profile)
    if not empty and not filled:
        return None
    bad = empty + filled
    return Finding(
        bad, f"{_share(bad, profile.record_count)}: {empty} empty texts, {filled} dummy fillers"
    )


def _no_values(profile: ColumnProfile) -> Finding | None:
    empty = _of_text(profile, profile.zero_length_count)
    filled = _of_text(profile, profile.filled_value_count)
    nulls = _known(profile.null_count)
    if profile.record_count == 0 or nulls + filled + empty != profile.record_count:
        return None
    return Finding(
        profile.record_count,
        f"none of {profile.record_count} rows is real: {nulls} NULL, {empty} empty, {filled} dummy",
    )


def _leading_spaces(profile: ColumnProfile) -> Finding | None:
    return _any_row(profile, profile.lead_space_count, "begin with a blank")


def _quoted_values(profile: ColumnProfile) -> Finding | None:
    return _any_row(profile, profile.quoted_value_count, "stand in quotes")


def _non_printing(profile: ColumnProfile) -> Finding | None:
    return _any_row(profile, profile.non_printing_count, "hold invisible characters")


def _any_row(profile: ColumnProfile, count: int | None, what: str) -> Finding | None:
    bad = _known(count)
    return Finding(bad, f"{_share(bad, profile.record_count)} {what}") if bad > 0 else None


def _mostly_numbers(profile: ColumnProfile) -> Finding | None:
    if "zip" in profile.column_name.lower():
        return None
    if profile.functional_data_type.startswith(("ID", "Period")):
        return None
    return _mostly(profile, _known(profile.numeric_count), "numbers")


def _mostly_dates(profile: ColumnProfile) -> Finding | None:
    return _mostly(profile, _known(profile.date_count), "dates")


def _mostly(profile: ColumnProfile, good: int, what: str) -> Finding | None:
    values = _known(profile.value_count)
    # In whole numbers: 0.95 has no exact double.
    if not (good < values and 100 * good > 95 * values):
        return None
    return Finding(values - good, f"{values - good} of {values} values are no {what}")


def _small_missing(profile: ColumnProfile) -> Finding | None:
    empty = _of_text(profile, profile.zero_length_count)
    real = _known(profile.value_count) - empty - _fillers_that_count(profile)
    if not (100 * real > 97 * profile.record_count and real < profile.record_count):
        return None
    bad = profile.record_count - real
    return Finding(bad, f"{_share(bad, profile.record_count)} have no real value")


def _unlikely_dates(profile: ColumnProfile) -> Finding | None:
    first, last = _known(profile.min_date), _known(profile.max_date)
    latest = months_after(_known(profile.profiled_at), 30 * 12)
    too_old = _EARLIEST_DATE <= first <= _LAST_UNLIKELY_DATE
    if not too_old and last <= latest:
        return None
    old = _known(profile.before_100yr_date_count)
    far = _known(profile.distant_future_date_count)
    detail = (
        f"{_share(old + far, profile.record_count)}: {old} over 100 years ago, "
        f"{far} more than 20 years ahead"
    )
    if first == _PLACEHOLDER_DATE:
        detail += "; 0001-01-01 stands as a placeholder"
    return Finding(old + far, detail)


def _no_letters(profile: ColumnProfile) -> Finding | None:
    if profile.functional_data_type not in PERSON_OR_PLACE:
        return None
    bad = _known(profile.non_alpha_count) - _known(profile.zero_length_count)
    return _any_row(profile, bad, "hold no letter")


RULES = (
    Rule(
        1002,
        "Non_Standard_Blanks",
        TEXT,
        DEFINITE,
        "Completeness",
        "Usability",
        1.0,
        "Load empty texts and dummy fillers as NULL.",
        _non_standard_blanks,
    ),
    Rule(
        1006,
        "No_Values",
        "",
        POSSIBLE,
        "Completeness",
        "Conformance",
        0.33,
        "Ask whether the source still fills the column, or drop it.",
        _no_values,
    ),
    Rule(
        1009,
        "Leading_Spaces",
        TEXT,
        LIKELY,
        "Validity",
        "Usability",
        0.66,
        "Trim the values.",
        _leading_spaces,
    ),
    Rule(
        1010,
        "Quoted_Values",
        TEXT,
        LIKELY,
        "Validity",
        "Usability",
        0.66,
        "Take the quotes off; a reader took them for content.",
        _quoted_values,
    ),
    Rule(
        1011,
        "Char_Column_Number_Values",
        TEXT,
        LIKELY,
        "Validity",
        "Usability",
        0.66,
        "Correct the few values that are no numbers and store the column as a number.",
        _mostly_numbers,
    ),
    Rule(
        1012,
        "Char_Column_Date_Values",
        TEXT,
        LIKELY,
        "Validity",
        "Usability",
        0.66,
        "Correct the few values that are no dates and store the column as a date.",
        _mostly_dates,
    ),
    Rule(
        1013,
        "Small_Missing_Value_Ct",
        "",
        POSSIBLE,
        "Completeness",
        "Regularity",
        0.33,
        "Find out why a few rows lack a value that nearly all have.",
        _small_missing,
    ),
    Rule(
        1018,
        "Unlikely_Date_Values",
        TEMPORAL,
        LIKELY,
        "Accuracy",
        "Regularity",
        0.66,
        "Check the earliest and latest dates; two-digit years are a common cause.",
        _unlikely_dates,
    ),
    Rule(
        1029,
        "Non_Alpha_Name_Address",
        TEXT,
        DEFINITE,
        "Validity",
        "Conformance",
        1.0,
        "A name or place without a letter: look at the source.",
        _no_letters,
    ),
    Rule(
        1031,
        "Non_Printing_Chars",
        TEXT,
        DEFINITE,
        "Validity",
        "Usability",
        1.0,
        "Remove invisible characters; they make equal values differ.",
        _non_printing,
    ),
)
RULES_BY_ID = {rule.id: rule for rule in RULES}
