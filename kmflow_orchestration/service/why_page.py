"""The parts of the page that answers why a file is, or is not, in the tables (row H21)."""

from __future__ import annotations

from datetime import datetime

from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.explain_file import Explanation, FileStep, FileStory
from kmflow_orchestration.service.html import Markup, tag

TITLE = "Why this file?"
_ADDRESS = "/files/why"
_COLUMNS = (
    *("seen (UTC)", "decision", "bytes", "modified (UTC)", "SHA-256"),
    *("why", "item now", "run", "rows"),
)


def top(group: GroupId) -> Markup:
    """What the page is, and whose."""
    return tag("header", tag("h1", TITLE), tag("span", f"group {group}", class_="soft"))


def form(asked: str) -> Markup:
    """Ask for another path or content: one field, as the command takes one word."""
    return tag(
        "form",
        tag("label", "Path or SHA-256", for_="path"),
        tag(
            "input",
            id="path",
            name="path",
            value=asked,
            placeholder="engagement/folder/file.csv, or the hash of a file's content",
        ),
        tag("button", "Ask"),
        action=_ADDRESS,
        method="get",
    )


def story_parts(found: Explanation, *, landing: str) -> list[Markup]:
    """The answer; where the landing place is, `landing`, is not told."""
    if not found.stories:
        return [tag("p", f"No file of {found.group} ever had this content.")]
    parts = [part for story in found.stories for part in _story(story, landing)]
    if found.left_out:
        parts.append(tag("p", f"{found.left_out} more path(s) have this content."))
    return parts


def _story(story: FileStory, landing: str) -> list[Markup]:
    now = story.outlook
    reason = now.reason.replace(landing, "landing")
    by = "; ".join(part for part in (now.rule, now.setting and f"setting {now.setting}") if part)
    next_step = tag(
        "p",
        tag("strong", f"Now: {now.verdict}"),
        f" {now.code}" if now.code else "",
        f": {reason}",
        tag("span", f" ({by})", class_="soft") if by else "",
        class_="now",
    )
    if not story.was_seen:
        return [tag("h2", tag("code", story.path)), tag("p", "It was never seen."), next_step]
    state = story.state or "not in landing any more"
    heads = tag("tr", [tag("th", name, scope="col") for name in _COLUMNS])
    rows = [_row(step, landing) for step in story.steps]
    table = tag(
        "table",
        tag("caption", f"{len(rows)} decision(s), the first one first"),
        tag("thead", heads),
        tag("tbody", rows),
    )
    return [
        tag("h2", tag("code", story.path)),
        tag("p", "In the ledger: ", tag("strong", state)),
        next_step,
        tag("div", table, class_="wide"),
    ]


def _row(step: FileStep, landing: str) -> Markup:
    why = (step.message or step.rule).replace(landing, "landing")
    cells = (
        tag("td", _moment(step.at), class_="whole"),
        tag("td", f"{step.decision} {step.code}".strip()),
        tag("td", "" if step.size_bytes is None else str(step.size_bytes), class_="number"),
        tag("td", _moment(step.modified_at), class_="whole"),
        tag("td", _content(step.content_hash), class_="whole"),
        tag("td", why, _soft(step.rule if step.message else ""), _soft(step.setting)),
        tag("td", step.state, _soft(step.item_id)),
        tag("td", tag("code", step.run), _soft(step.batch_id and f"batch {step.batch_id}")),
        tag("td", [tag("div", tag("code", name), f": {rows}") for name, rows in step.tables]),
    )
    return tag("tr", cells)


def _content(sha256: str) -> Markup:
    """Its first digits, as a link to every path that held it."""
    if not sha256:
        return Markup()
    return tag("a", tag("code", sha256[:12]), href=f"{_ADDRESS}?hash={sha256}", title=sha256)


def _soft(text: str) -> Markup:
    return tag("div", text, class_="soft") if text else Markup()


def _moment(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"
