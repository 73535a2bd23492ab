"""Which rule, and which setting, stands behind a decision on a landing file; for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kmflow_orchestration.intake import entry_rules
from kmflow_orchestration.intake.decisions import Kind
from kmflow_orchestration.intake.landing_events import (
    ACCEPTED,
    GONE,
    RETRIED,
    SEEN_CHANGED,
    SEEN_NEW,
)
from kmflow_orchestration.metadata.intake_records import State


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule in words; `setting` may change it, '' when nothing can."""

    text: str = ""
    setting: str = ""


QUIET = Rule(
    "a file must not have changed for the quiet period before it is taken", "KMFLOW_QUIET_PERIOD_S"
)
IGNORED = Rule("hidden, temporary and side files are no evidence")
_BY_DECISION: Mapping[str, Rule] = {
    SEEN_NEW: Rule("a path that nobody knew"),
    SEEN_CHANGED: Rule("size, modification time or inode differ from the last look"),
    GONE: Rule("it went before it was complete"),
    State.WAITING: QUIET,
    State.PENDING: Rule("complete: the next run of its day stores it"),
    State.CLAIMED: Rule("a run is storing it"),
    Kind.NEW: Rule("this content was not in the engagement"),
    Kind.UNCHANGED: Rule("the path holds what it last became"),
    Kind.SAME_ITEM: Rule("this content came under this name by another path"),
    Kind.DUPLICATE: Rule("a content counts once in an engagement, under its first name"),
    Kind.REVIVED: Rule("a content that was superseded came back"),
    State.SUPERSEDED: Rule("every path that held it holds newer content"),
    State.FAILED: Rule("what could not be stored is tried again after growing waits"),
    State.QUARANTINED: Rule("a file that cannot enter stays in landing"),
    ACCEPTED: Rule("somebody found it fine as it is: it waits for nobody any more"),
    RETRIED: Rule("somebody asked for another try"),
    State.DELETING: Rule("somebody asked for its deletion"),
    State.DELETED: Rule("somebody deleted it"),
}
# Whatever the code, these are what a person said about it.
_SAID = frozenset({ACCEPTED, RETRIED})
_BY_CODE: Mapping[str, Rule] = {
    State.WAITING: QUIET,
    entry_rules.NO_ENGAGEMENT: Rule("the first folder is the engagement", "landing_path"),
    entry_rules.BAD_NAME: Rule("names must be UTF-8, short enough, and the engagement's an id"),
    entry_rules.PATH_TRICK: Rule("nothing may lead, or look as if it led, out of landing"),
    entry_rules.UNREADABLE: Rule("it must be a regular file that this process may read"),
    entry_rules.VANISHED: Rule("it went before it could be read"),
    entry_rules.EMPTY: Rule("a file without content is no evidence"),
    entry_rules.TOO_LARGE: Rule("a file has a largest size", "MAX_UPLOAD_SIZE_MB"),
    entry_rules.TYPE_NOT_ALLOWED: Rule("content must be of a type on the list, whatever its name"),
}


def rule_of(decision: str, code: str = "") -> Rule:
    """The rule behind a decision; its code says more than the decision does."""
    if decision in _SAID:
        return _BY_DECISION[decision]
    return _BY_CODE.get(code) or _BY_DECISION.get(decision) or Rule()
