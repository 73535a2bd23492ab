"""Make docs/images/batch_convert_progress.svg: what `kmflow batch-convert` shows while it works.

Run it again with `python scripts/picture_of_progress.py`. It converts a folder of made-up files in
a terminal of its own and keeps the picture that shows most.
"""

from __future__ import annotations

import io
import json
import os
import pty
import random
import re
import select
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import openpyxl
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "batch_convert_progress.svg"
WIDTH, ROWS, LONGEST_S = 104, 30, 300
WORDS = ["batch-convert", "inbox", "converted", "--recursive"]
COMMAND = "from kmflow_orchestration.cli.main import run; run()"
# What rich writes before each picture: back to the first line, and every line empty.
BACK = re.compile(r"\r\x1b\[2K(?:\x1b\[1A\x1b\[2K)*")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="kmflow-picture-") as folder:
        make_files(Path(folder) / "inbox")
        shown = on_a_terminal([sys.executable, "-c", COMMAND, *WORDS], Path(folder))
    picture = max(pictures(shown), key=worth)
    PICTURE.write_text(as_svg(picture), encoding="utf-8")
    print(f"{PICTURE}: {picture.count(chr(10))} lines")  # noqa: T201


def make_files(inbox: Path) -> None:
    """Tables, documents, mail, an archive and a damaged file, made from a fixed seed."""
    chance = random.Random(6)  # noqa: S311 (nothing to guess)
    (inbox / "2026").mkdir(parents=True)
    rows = [
        (number, f"client {chance.randint(1, 900)}", f"{chance.random() * 1e5:.2f}", "2026-11-30")
        for number in range(120_000)
    ]
    lines = "".join(f'{one};"{name}";{amount};{day}\n' for one, name, amount, day in rows)
    for name in ("payments.csv", "2026/payments_q3.csv"):
        (inbox / name).write_text("id;client;amount;day\n" + lines)
    (inbox / "ledger.xml").write_text(
        "<ledger>"
        + "".join(
            f"<entry id='{one}'><client>{name}</client><amount>{amount}</amount></entry>"
            for one, name, amount, _ in rows[:30_000]
        )
        + "</ledger>"
    )
    (inbox / "events.jsonl").write_text(
        "".join(json.dumps({"id": one, "who": name}) + "\n" for one, name, *_ in rows[:60_000])
    )
    book = openpyxl.Workbook(write_only=True)
    for title in ("Loans", "People"):
        sheet = book.create_sheet(title)
        sheet.append(["id", "client", "amount"])
        for one, name, amount, _ in rows[:5_000]:
            sheet.append([one, name, float(amount)])
    book.save(inbox / "portfolio.xlsx")
    (inbox / "broken.xlsx").write_bytes(b"PK\x03\x04" + bytes(200))
    (inbox / "notes.md").write_text("# Risk\n\nThe analyst reviews each loan.\n")
    (inbox / "minutes.html").write_text("<h1>Minutes</h1><p>Approved.</p>")
    (inbox / "offer.eml").write_text("From: a@e.com\nTo: b@e.com\nSubject: Offer\n\nSee below.\n")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rates.csv", "day,rate\n2026-11-30,3.25\n")
    (inbox / "2026" / "rates.zip").write_bytes(packed.getvalue())


def on_a_terminal(command: list[str], folder: Path) -> str:
    """All that a command shows there."""
    ours, theirs = pty.openpty()
    environment = {
        **os.environ,
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "COLUMNS": str(WIDTH),
        "LINES": str(ROWS),
    }
    with subprocess.Popen(  # noqa: S603 (a command of ours)
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment
    ) as process:
        os.close(theirs)
        shown, ends = b"", time.monotonic() + LONGEST_S
        while time.monotonic() < ends:
            if not select.select([ours], [], [], 0.2)[0]:
                continue
            try:
                shown += os.read(ours, 1 << 16)
            except OSError:
                break
        else:
            process.kill()
    os.close(ours)
    return shown.decode()


def pictures(shown: str) -> Iterator[str]:
    """One after another, as they replaced each other."""
    for one in BACK.split(shown):
        yield one.partition("\x1b[?25h")[0].replace("\r\n", "\n").strip("\n")


def worth(picture: str) -> tuple[int, int]:
    """Many files under way, a good part of them done, and one that failed."""
    plain = Text.from_ansi(picture).plain
    under_way = plain.count(" read") + 2 * plain.count(" rows")
    return under_way + ("failed" in plain), sum(map(int, re.findall(r"(\d+) converted", plain)))


def as_svg(picture: str) -> str:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "bold green"), f"kmflow {' '.join(WORDS)}"))
    console.print(Text.from_ansi(picture))
    # A picture that fetches nothing: the fonts that are there will do.
    form = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="kmflow batch-convert", code_format=form, unique_id="progress")
    return svg.replace("Fira Code,", "") + "\n"


if __name__ == "__main__":
    main()
