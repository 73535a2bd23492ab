"""The canary (design AD10): the whole demo with marked secrets, failing in eighteen ways."""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kmflow_orchestration_tests.canary.failures import FAILURES
from kmflow_orchestration_tests.canary.scene import ACME, FILES, SECRETS, Scene, played_demo
from kmflow_orchestration_tests.isolation.marks import files_with, found_in

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("canary")]

QUESTIONS = (
    ("group", "show", ACME),
    ("group", "history", ACME),
    ("group", "history", ACME, "--audit"),
    ("group", "history", ACME, "--audit", "--json"),
    ("group", "export"),
    ("config", "show", "--group", ACME),
    ("token", "list", "--group", ACME),
)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that any logger says, but for SQLAlchemy: its statements would be most of it.

    They have a test of their own.
    """
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    loggers = [one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    levels = {one: one.level for one in (root, *loggers) if one is root or one.level}
    for logger in levels:
        logger.setLevel(logging.DEBUG)
    noisy = logging.getLogger("sqlalchemy")
    levels.setdefault(noisy, noisy.level)
    noisy.setLevel(logging.WARNING)
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    for logger, level in levels.items():
        logger.setLevel(level)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_no_mark_is_anywhere_but_where_secrets_are_kept(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    logged: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(tmp_path)
    secrets = tmp_path / "home" / "secrets"

    with played_demo(tmp_path / "home", monkeypatch) as scene:
        for fail in FAILURES:
            fail(scene)
        for question in QUESTIONS:
            assert scene.kmflow(*question) == 0
        # While everything is still open, temporary files too.
        left = list(files_with(tmp_path, SECRETS.values(), but=secrets))
        _nothing_was_said(scene, capfd, logged)

    assert left == []
    assert list(files_with(tmp_path, SECRETS.values(), but=secrets)) == []
    # The search finds what is there: the files that hold the secrets, each for its owner alone.
    kept = dict(files_with(secrets, SECRETS.values(), but=tmp_path / "nowhere"))
    assert {*FILES, "wrong", "profiles", "client", "unreadable", "groups.yaml"} <= set(kept)
    assert {path.stat().st_mode & 0o077 for path in secrets.iterdir()} == {0}


def _nothing_was_said(scene: Scene, capfd: pytest.CaptureFixture[str], logged: io.StringIO) -> None:
    out, err = capfd.readouterr()
    places = {"stdout": out, "stderr": err, "log": logged.getvalue(), "told": "\n".join(scene.said)}
    found = {place: found_in(text.encode(), SECRETS.values()) for place, text in places.items()}
    assert found == {place: set() for place in places}
    assert "***" in places["told"]
    assert "databricks" in places["log"]
    assert "KM-" in err
