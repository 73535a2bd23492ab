"""The only place that prints: a table or a sentence for people, one JSON object for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]

# Everything that is not the answer goes to stderr, so that stdout can be piped.
console = Console(stderr=True, highlight=False)
answer = Console(highlight=False)


def show_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")


def show_rows(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    answer.print(table)


def show_facts(facts: Mapping[str, object]) -> None:
    """Names and values, one a line."""
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        answer.print(f"[bold]{name.ljust(width)}[/bold]  {value}")


def say(sentence: str) -> None:
    """A sentence for people, on stderr."""
    console.print(sentence)
