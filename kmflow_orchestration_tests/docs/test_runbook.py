"""The runbook does what it says: its commands are run in order, and what they print is compared."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
ANYTHING, CONTINUES = "…", "\\\n"
PATIENCE_S = 120


@dataclass(frozen=True)
class Command:
    """A command, what it should print, and the code it should end with."""

    text: str
    lines: tuple[str, ...]
    code: int


def commands(page: str) -> list[Command]:
    """Those of all console blocks, in order."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            joined = part.replace(CONTINUES, " ")
            text, *lines = joined.strip().split("\n")
            ends = [int(line[6:-1]) for line in lines if line.startswith("(exit ")]
            kept = tuple(line for line in lines if not line.startswith("(exit "))
            found.append(Command(text, kept, (ends or [0])[0]))
    return found


class Shell:
    """One bash, in which what a command exports is there for the next."""

    def __init__(self, folder: Path) -> None:
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env={**kept, "PATH": path, "COLUMNS": "100"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, command: str) -> tuple[list[str], int]:
        """Lines a command printed, and its exit code."""
        assert self._process.stdin is not None
        self._process.stdin.write(f'{command}\necho "::ended $?"\n'.encode())
        self._process.stdin.flush()
        said = self._until(re.compile(rb"::ended (\d+)\n"))
        text, _, code = said.rpartition(b"::ended ")
        return text.decode().splitlines(), int(code)

    def _until(self, end: re.Pattern[bytes]) -> bytes:
        assert self._process.stdout is not None
        said, give_up_at = b"", time.monotonic() + PATIENCE_S
        while not end.search(said):
            left = give_up_at - time.monotonic()
            ready, _, _ = select.select([self._process.stdout], [], [], max(left, 0))
            assert ready, f"not ended after {PATIENCE_S} s; it said {said.decode()}"
            piece = os.read(self._process.stdout.fileno(), 1 << 16)
            assert piece, f"bash ended; it said {said.decode()}"
            said += piece
        return said

    def close(self) -> None:
        os.killpg(self._process.pid, 15)
        self._process.communicate(timeout=30)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    opened = Shell(tmp_path)
    yield opened
    opened.close()


def pattern(line: str) -> re.Pattern[str]:
    """A line as the runbook shows it; how wide a table is says nothing."""
    words = " ".join(line.split())
    return re.compile(".*".join(re.escape(part) for part in words.split(ANYTHING)))


def missing(expected: tuple[str, ...], printed: list[str]) -> list[str]:
    """Expected lines that were not printed in this order."""
    left = iter(" ".join(line.split()) for line in printed)
    return [line for line in expected if not any(pattern(line).fullmatch(one) for one in left)]


@pytest.mark.journey
def test_every_command_of_the_runbook_prints_what_it_shows(shell: Shell) -> None:
    wrong = []
    for command in commands(RUNBOOK.read_text(encoding="utf-8")):
        printed, code = shell.run(command.text)
        if code != command.code or missing(command.lines, printed):
            wrong.append((command.text, code, missing(command.lines, printed), printed))
    assert wrong == [], "\n\n".join(map(str, wrong))


def test_commands_are_read_with_their_output_and_exit_code() -> None:
    page = "```console\n$ a \\\n  b\n│ x │ … │\n(exit 4)\n$ c\n```\n```sh\n$ d\n```\n"

    assert commands(page) == [Command("a    b", ("│ x │ … │",), 4), Command("c", (), 0)]


@pytest.mark.parametrize(
    ("printed", "lacks"),
    [
        (["│ x   │ 12 │", "done"], []),
        (["done", "│ x │ 12 │"], ["done"]),
        (["│ y │ 12 │", "done"], ["│ x │ … │", "done"]),
    ],
)
def test_lines_are_compared_in_order_whatever_the_width(printed, lacks) -> None:
    assert missing(("│ x │ … │", "done"), printed) == lacks
