"""A delimited file in the making: a clean table that pollutions are put into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from kmflow_orchestration_tests.corpus.delimited_values import ASCII_WORDS, columns

Cells = list[str | None]


@dataclass(frozen=True)
class Truth:
    """One table as a reader should find it; a header of None has no names, NULL is None."""

    header: tuple[str, ...] | None
    rows: tuple[tuple[str | None, ...], ...]


@dataclass
class Draft:
    """A file in the making: records as cells, or lines as they are."""

    random: Random
    header: list[str]
    rows: list[Cells]
    delimiter: str = ","
    quote: str = '"'
    escape: str = ""
    encoding: str = "utf-8"
    line_end: str = "\n"
    quotes_all: bool = False
    mark: bytes = b""
    has_header: bool = True
    header_lines: list[Cells] | None = None
    names: list[str] | None = None
    above: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)
    # Lines put before the data row of that index.
    between: dict[int, list[str]] = field(default_factory=dict)
    # Text of a row that is not written as its cells alone would be.
    texts: dict[int, str] = field(default_factory=dict)
    more: list[Draft] = field(default_factory=list)
    ends_open: bool = False

    @property
    def width(self) -> int:
        return len(self.header)

    def word(self) -> str:
        return self.random.choice(ASCII_WORDS)

    def some_row(self) -> int:
        return self.random.randrange(1, len(self.rows) - 1)

    def cell(self, value: str | None) -> str:
        if value is None:
            return ""
        needs = any(mark in value for mark in (self.delimiter, self.quote, "\n", "\r"))
        if not needs and value and not self.quotes_all:
            return value
        doubled = (self.escape or self.quote) + self.quote
        return self.quote + value.replace(self.quote, doubled) + self.quote

    def line(self, cells: Cells) -> str:
        return self.delimiter.join(map(self.cell, cells))

    def lines(self) -> Iterator[str]:
        yield from self.above
        headers = self.header_lines or ([list(self.header)] if self.has_header else [])
        yield from map(self.line, headers)
        for at, row in enumerate(self.rows):
            yield from self.between.get(at, [])
            yield self.texts.get(at, self.line(row))
        yield from self.below
        for table in self.more:
            yield from table.lines()

    def truth(self) -> Truth:
        names = tuple(self.names or self.header) if self.has_header else None
        width = self.width
        rows = tuple(tuple((row + [None] * width)[:width]) for row in self.rows)
        return Truth(names, rows)

    def content(self) -> bytes:
        lines = list(self.lines())
        ends = [self.line_end] * len(lines)
        if self.line_end == "mixed":
            ends = [self.random.choice(["\n", "\r\n"]) for _ in lines]
        text = "".join(line + end for line, end in zip(lines, ends, strict=True))
        if self.ends_open:
            text = text[: -len(ends[-1])]
        return self.mark + text.encode(self.encoding)


Pollution = Callable[[Draft], None]


def make_draft(random: Random, encoding: str, width: int = 0) -> Draft:
    """A clean table of mixed columns, with at least one number and one text."""
    known = columns(encoding)
    width = width or random.randint(3, 9)
    picked = [known[0], known[random.randint(1, 3)], known[random.randint(4, 6)]]
    rest = [column for column in known if column not in picked]
    picked += random.sample(rest, width - len(picked))
    order = [picked[0], *random.sample(picked[1:], width - 1)]
    rows: list[Cells] = [[make(random) for _, make in order] for _ in range(random.randint(6, 40))]
    return Draft(random, [name for name, _ in order], rows)
