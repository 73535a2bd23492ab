"""Why this file? as a page: the answer of `kmflow files why`, for the group of the token (H21)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.explain_file import explain_file
from kmflow_orchestration_tests.embedded import embedded_server, fresh_room
from kmflow_orchestration_tests.service.evidence_world import (
    ACME,
    GLOBEX,
    EvidenceWorld,
    opened_world,
)

__all__ = ["embedded_server"]

# One world for the module: its tests stay together in one worker.
pytestmark = pytest.mark.xdist_group("service_why_page")

WHY = "/files/why"
CONTENT = b"id\n1\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory, embedded_server, control_databases) -> Iterator[EvidenceWorld]:
    home = tmp_path_factory.mktemp("why")
    url = control_databases.new(home / "control.db")
    with opened_world(home, fresh_room(embedded_server), url) as made:
        made.store("loans.csv", CONTENT)
        made.store("same.csv", CONTENT)
        made.clock.advance(60)
        made.store("loans.csv", b"id\n1\n2\n")
        made.store("theirs.csv", CONTENT, group=GLOBEX)
        yield made


def basic(world: EvidenceWorld, group: str = ACME, user: str = "ann") -> dict[str, str]:
    """What a browser sends whose user typed this name and the token as password."""
    token = world.tokens[GroupId(group)]["Authorization"].partition(" ")[2]
    given = base64.b64encode(f"{user}:{token}".encode()).decode()
    return {"Authorization": f"Basic {given}"}


def ask(world: EvidenceWorld, group: str = ACME, **params: str) -> httpx.Response:
    return world.client.get(WHY, params=params, headers=basic(world, group))


class Page(HTMLParser):
    """Elements and texts of a page, as a browser has them."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.values: dict[str, str] = {}
        self.words: list[str] = []
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        known = dict(attrs)
        if tag == "input":
            self.values[known["name"] or ""] = known.get("value") or ""

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def test_a_browser_is_asked_for_a_password_and_the_token_is_one(world: EvidenceWorld) -> None:
    nobody = world.client.get(WHY)
    assert nobody.status_code == 401
    assert nobody.headers["www-authenticate"].startswith("Basic realm=")
    assert nobody.headers["content-type"].startswith("text/html")

    for user in ("ann", "", "ü"):
        assert world.client.get(WHY, headers=basic(world, user=user)).status_code == 200
    assert world.client.get(WHY, headers=world.tokens[ACME]).status_code == 200  # Bearer, too
    # The API has no use for a browser's password: another site could make it be sent along.
    assert world.client.get("/api/v1/me", headers=basic(world)).status_code == 401


@pytest.mark.parametrize(
    "given", ["Basic", "Basic !", "Basic " + base64.b64encode(b"\xff:\xff").decode(), "Basic eDp5"]
)
def test_a_bad_password_is_told_no_more_than_none(world: EvidenceWorld, given: str) -> None:
    refused = world.client.get(WHY, headers={"Authorization": given})
    assert (refused.status_code, refused.text) == (401, world.client.get(WHY).text)


def test_a_path_gives_what_the_operation_says(world: EvidenceWorld) -> None:
    page = Page(ask(world, path="e1/loans.csv"))

    caller = caller_of("ann@kmflow.test", (ACME,), Role.VIEWER)
    found = explain_file(ACME, "e1/loans.csv", caller=caller, **world.group().explaining())
    (story,) = found.stories
    assert len(story.steps) > 3
    for step in story.steps:
        assert f"{step.at:%Y-%m-%d %H:%M:%S}" in page.words
        assert step.decision in page.text
        assert step.content_hash[:12] in page.text
        assert step.batch_id in page.text
        assert step.rule in page.text
    assert f"Now: {story.outlook.verdict}" in page.words
    assert page.elements.count("tr") == len(story.steps) + 1
    assert page.values == {"path": "e1/loans.csv"}


def test_a_hash_gives_every_path_of_the_own_group_that_held_it(world: EvidenceWorld) -> None:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    page = Page(ask(world, hash=sha256))

    assert page.values == {"path": sha256}
    assert Page(ask(world, path=sha256)).words == page.words
    assert {"e1/loans.csv", "e1/same.csv"} <= set(page.words)
    assert "theirs" not in page.text
    assert "globex" not in page.text


def test_a_group_knows_nothing_of_anothers_path(world: EvidenceWorld) -> None:
    mine, theirs = (ask(world, group, path="e1/theirs.csv") for group in (ACME, GLOBEX))
    assert "It was never seen." in mine.text
    assert "In the ledger" in theirs.text
    refused = world.client.get(WHY, headers={**basic(world), "X-KMFlow-Group": "globex"})
    assert refused.status_code == 403


def test_a_path_never_seen_is_told_what_keeps_it_out(world: EvidenceWorld) -> None:
    for path, verdict in (("e1/.hidden", "ignored"), ("e1/nowhere.csv", "missing")):
        answer = ask(world, path=path)
        assert answer.status_code == 200
        assert f"Now: {verdict}" in answer.text
        assert str(world.home) not in answer.text


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"path": "../globex/e1/theirs.csv"}, 422),
        ({"path": "/etc/passwd"}, 422),
        ({"path": "e1/a\0.csv"}, 422),
        ({"path": "x" * 4097}, 422),
        ({"hash": "abc"}, 422),
        ({"hash": "../x"}, 422),
        ({"hash": "0" * 64}, 404),
        ({"path": "a", "hash": "0" * 64}, 422),
    ],
)
def test_what_cannot_be_answered_is_said_without_a_place_of_ours(
    world: EvidenceWorld, params: dict[str, str], status: int
) -> None:
    answer = ask(world, **params)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert str(world.home) not in answer.text


def test_nothing_runs_on_the_page_and_nothing_of_it_is_kept(world: EvidenceWorld) -> None:
    answer = ask(world, path="e1/loans.csv")

    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    assert {"script", "img", "link", "iframe"}.isdisjoint(Page(answer).elements)
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == (
        "no-store",
        "no-referrer",
    )


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(asked=st.text(st.sampled_from("<>&\"'=/ abü`"), min_size=1, max_size=20))
def test_whatever_is_asked_for_stays_text(world: EvidenceWorld, asked: str) -> None:
    """The form shows it again; the answer names it."""
    for path in (asked, f"e1/{asked}<script>alert(1)</script>.csv"):
        page = Page(ask(world, path=path))
        assert "script" not in page.elements
        assert page.values["path"] == path
        assert set(page.elements) <= {
            *("html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "span"),
            *("form", "label", "input", "button", "p", "strong", "code", "div"),
        }
