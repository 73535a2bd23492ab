"""The only place that prints, without secrets: for people a table, for programs a JSON object."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kmflow_orchestration.cli.json_answer import is_shown
from kmflow_orchestration.redaction import redact, redacted

PrintSqlOption = Annotated[
    bool, typer.Option("--print-sql", help="Print the statements, ask nobody.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


class _CleanConsole(Console):
    """Prints no secret, whoever hands it the text."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*redacted(objects), **options)


# Everything that is not the answer goes to stderr, so that stdout can be piped.
console = _CleanConsole(stderr=True, highlight=False)
answer = _CleanConsole(highlight=False)


def show_json(value: Mapping[str, Any], *, is_secret: bool = False) -> None:
    """One JSON object on stdout; `is_secret` as in `show_text`."""
    is_shown.set(True)
    told = _strict(value if is_secret else redacted(value))
    show_text(json.dumps(told, indent=2, sort_keys=True, default=str) + "\n", is_secret=is_secret)


def show_failure(error: Mapping[str, Any]) -> None:
    """The one object of a command that fails, unless it has shown its own already."""
    if not is_shown.get():
        show_json({"error": error})


def _strict(value: Any) -> Any:
    """Numbers that JSON has not, as Spark names them: most readers refuse a bare NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {name: _strict(one) for name, one in value.items()}
    return [_strict(one) for one in value] if isinstance(value, (list, tuple)) else value


def show_text(text: str, *, is_secret: bool = False) -> None:
    """A text for programs, such as SQL or YAML: as it is, whatever the terminal's width.

    `is_secret` is for the few commands that were asked for one.
    """
    sys.stdout.write(text if is_secret else redact(text))
    sys.stdout.flush()


def show_statements(statements: Iterable[str]) -> None:
    """SQL on stdout, to be run as it stands."""
    show_text("".join(f"{statement};\n" for statement in statements))


def show_rows(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, whole: str = ""
) -> None:
    """A table for people; cells stand as they are, brackets too.

    Cells of the column `whole` keep to one line, to be copied, however narrow the terminal.
    """
    table = Table(title=redact(title), title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == whole)
    for row in rows:
        table.add_row(*("" if cell is None else escape(redact(str(cell))) for cell in row))
    answer.print(table)


def say(sentence: str) -> None:
    """A sentence for people, on stderr."""
    console.print(redact(sentence), markup=False, soft_wrap=True)


def complain(problem: str, *, hint: str = "") -> None:
    """What went wrong and, on a line of its own, what to do; on stderr."""
    console.print(redact(problem), style="red", markup=False, soft_wrap=True)
    if hint:
        console.print(f"  → {redact(hint)}", markup=False, soft_wrap=True)
