"""What headings, lists and sentences of a text suggest, in English as most evidence has it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kmflow_orchestration.converters.interface import BlockKind, TextBlock
from kmflow_orchestration.converters.named_entity import EntityType, NamedEntity


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Read as they stand: what was deleted, or stands on every page, says nothing of the process.
_READ = frozenset(
    {
        *(BlockKind.HEADING, BlockKind.PARAGRAPH, BlockKind.LIST, BlockKind.TABLE),
        *(BlockKind.NOTE, BlockKind.COMMENT, BlockKind.PROPERTIES),
    }
)
_LABELLED, _NAMED, _PHRASE, _HEADED, _LISTED = 0.8, 0.8, 0.6, 0.6, 0.5
_ASKED, _ADDRESS = 0.5, 0.5
_MOST_WORDS = 12
# As a first word nothing but a verb.
_VERBS = _words(
    "approve assess assign authorise authorize calculate cancel check collect compare complete "
    "confirm correct create deliver determine enter escalate evaluate forward generate handle "
    "identify inform inspect notify obtain onboard pay perform prepare receive reconcile "
    "register reject resolve retrieve select send sign submit upload validate verify"
)
# Verbs that are nouns as well: only with an article after them.
_DOUBTFUL = _words(
    "audit book close contact document draft file invoice issue log match monitor open order pack "
    "plan post print process publish record release request return review route scan schedule set "
    "ship store transfer update"
)
_ARTICLES = _words("the a an all any each every this these its their")
_LABEL = re.compile(
    r"^(?P<label>step|activity|task|decision)(?: \d{1,3})?\s?[:\u2013-]\s(?P<name>.+)$",
    re.IGNORECASE,
)
_LABELS = {"decision": EntityType.DECISION}
_ITEM = re.compile(r"^\s*(?:[-*+\u2022]|\d{1,3}[.)])\s+(?P<name>\S.*)$")
_HEADING_NUMBER = re.compile(r"^\d{1,3}(?:\.\d{1,3}){0,4}[.)]?\s+")
_CLAUSE_END = re.compile(r"[.;:](?:\s|$)|\s\(|, (?:and|then|which|who)\b")
_ROLE = re.compile(
    r"\b(?:[A-Z][a-z]{1,20} ){1,3}"
    r"(?:Accountant|Administrator|Analyst|Approver|Auditor|Clerk|Controller|Coordinator|Department"
    r"|Director|Manager|Officer|Owner|Specialist|Supervisor|Team)\b"
)
_SYSTEM = re.compile(
    r"\b(?:SAP S/4HANA|SAP(?: [A-Z]{2,4})?|Salesforce|ServiceNow|Workday|Jira|Confluence|SharePoint"
    r"|Microsoft (?:Excel|Outlook|Teams|Dynamics)|Dynamics 365|Power BI|NetSuite|Coupa|Ariba"
    r"|Tableau|Snowflake|Databricks|DocuSign|Zendesk|HubSpot|Active Directory|PeopleSoft|Celonis"
    r"|UiPath|Camunda|GitHub|GitLab|QuickBooks|DATEV)\b"
)
_SYSTEM_WORD = re.compile(
    r"\b(?:[A-Z][\w&-]{1,20} ){1,3}(?:[Ss]ystem|[Aa]pplication|[Dd]atabase|[Pp]ortal|[Pp]latform)\b"
)
_FILE = re.compile(r"(?<![\w/@.-])[\w-]{1,80}\.(?:docx?|xlsx?|pptx?|pdf|csv|bpmn|vsdx)\b")
_FORM = re.compile(
    r"\b(?:Form|Policy|Procedure|Contract|Template|Checklist) [A-Z]{0,4}-?\d[\w.-]{0,12}\b"
)
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,5}[A-Za-z]{2,24}\b")
_LEADING = _words("The A An This Each Every Our Your Any If When Where And Or But All In")
_IN_SENTENCES: tuple[tuple[re.Pattern[str], EntityType, float], ...] = (
    (_MAIL, EntityType.ROLE, _ADDRESS),
    (_ROLE, EntityType.ROLE, _PHRASE),
    (_SYSTEM, EntityType.SYSTEM, _NAMED),
    (_SYSTEM_WORD, EntityType.SYSTEM, _PHRASE),
    (_FILE, EntityType.DOCUMENT, _NAMED),
    (_FORM, EntityType.DOCUMENT, _PHRASE),
)


def entities_of_text(block: TextBlock) -> Iterator[NamedEntity]:
    """What one block suggests."""
    if block.kind not in _READ:
        return
    if block.kind is BlockKind.HEADING:
        yield from _of_heading(_HEADING_NUMBER.sub("", block.text))
    elif block.kind in (BlockKind.LIST, BlockKind.PARAGRAPH):
        for line in block.text.splitlines():
            yield from _of_line(line.strip())
    for pattern, kind, sure in _IN_SENTENCES:
        for match in pattern.finditer(block.text):
            name = _without_leading(match[0])
            # Of `The System` no name is left.
            if kind is EntityType.DOCUMENT or pattern in (_MAIL, _SYSTEM) or " " in name:
                yield NamedEntity(kind, name.rstrip(".-"), sure)


def _of_heading(text: str) -> Iterator[NamedEntity]:
    if label := _LABEL.match(text):
        yield _labelled(label)
    elif text.endswith("?"):
        yield NamedEntity(EntityType.DECISION, text, _ASKED)
    elif _is_told_to_do(text):
        yield NamedEntity(EntityType.ACTIVITY, text, _HEADED)


def _of_line(line: str) -> Iterator[NamedEntity]:
    item = _ITEM.match(line)
    text = item["name"] if item else line
    if label := _LABEL.match(text):
        yield _labelled(label)
    elif item and _is_told_to_do(name := _clause(text)):
        yield NamedEntity(EntityType.ACTIVITY, name, _LISTED)


def _labelled(label: re.Match[str]) -> NamedEntity:
    kind = _LABELS.get(label["label"].lower(), EntityType.ACTIVITY)
    return NamedEntity(kind, _clause(label["name"]), _LABELLED)


def _clause(text: str) -> str:
    end = _CLAUSE_END.search(text)
    return text[: end.start()].strip() if end else text.strip()


def _is_told_to_do(text: str) -> bool:
    """Whether a text begins as an instruction does, and is no longer than one."""
    words = text.split(maxsplit=_MOST_WORDS)
    if not 2 <= len(words) <= _MOST_WORDS:
        return False
    first, second = words[0].lower(), words[1].lower()
    return first in _VERBS or (first in _DOUBTFUL and second in _ARTICLES)


def _without_leading(name: str) -> str:
    """Without articles and such that a sentence begins with."""
    words = name.split(" ")
    while len(words) > 1 and words[0] in _LEADING:
        words = words[1:]
    return " ".join(words)
