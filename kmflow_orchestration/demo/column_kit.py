"""Columns of made-up business tables: small functions from a seeded source to a cell."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

SEED = 20260101
Cell = str | int | bool | Decimal | date | datetime | None
Row = tuple[Cell, ...]
Column = Callable[[random.Random, int, Mapping[str, Cell]], Cell]
"""Takes the random source, the row's number from 0, and the row's cells so far."""


def seeded(*parts: str) -> random.Random:
    """A random source that depends on nothing but the seed and these words."""
    return random.Random("/".join((str(SEED), *parts)))  # noqa: S311 - made-up data, no secret


@dataclass(frozen=True, slots=True)
class Table:
    """A header and its rows, before it becomes a file of some format."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, name: str) -> int:
        return self.header.index(name)


def make_table(rng: random.Random, count: int, columns: Mapping[str, Column]) -> Table:
    """A clean table of `count` rows."""
    rows = []
    for number in range(count):
        row: dict[str, Cell] = {}
        for name, column in columns.items():
            row[name] = column(rng, number, row)
        rows.append(tuple(row.values()))
    return Table(tuple(columns), tuple(rows))


def serial(prefix: str, start: int) -> Column:
    return lambda _rng, number, _row: f"{prefix}{start + number}"


def counter(start: int = 1) -> Column:
    return lambda _rng, number, _row: start + number


def reference(prefix: str, start: int, count: int) -> Column:
    """An id out of another table's `serial` column of `count` rows."""
    return lambda rng, _number, _row: f"{prefix}{start + rng.randrange(count)}"


def one_of(*choices: Cell) -> Column:
    return lambda rng, _number, _row: rng.choice(choices)


def money(low: int, high: int) -> Column:
    """An amount in whole cents between two amounts."""
    return lambda rng, _number, _row: Decimal(rng.randint(low * 100, high * 100)) / 100


def rate(low: int, high: int) -> Column:
    """A percentage with three decimals, limits in thousandths."""
    return lambda rng, _number, _row: Decimal(rng.randint(low, high)) / 1000


def whole(low: int, high: int) -> Column:
    return lambda rng, _number, _row: rng.randint(low, high)


def digits(length: int) -> Column:
    """A code of digits that keeps its leading zeros."""
    return lambda rng, _number, _row: "".join(rng.choice("0123456789") for _ in range(length))


def day(first: str, span_days: int) -> Column:
    start = date.fromisoformat(first)
    return lambda rng, _number, _row: start + timedelta(days=rng.randrange(span_days))


def days_after(name: str, low: int, high: int) -> Column:
    """A day some days after that in another column."""

    def after(rng: random.Random, _number: int, row: Mapping[str, Cell]) -> Cell:
        start = row[name]
        return start + timedelta(days=rng.randint(low, high)) if isinstance(start, date) else None

    return after


def moment(first: str, span_days: int) -> Column:
    start = datetime.fromisoformat(first)
    return lambda rng, _number, _row: start + timedelta(seconds=rng.randrange(span_days * 86_400))


def sometimes(column: Column, share: float) -> Column:
    """The column's cell in this share of the rows, else an empty one."""

    def cell(rng: random.Random, number: int, row: Mapping[str, Cell]) -> Cell:
        return column(rng, number, row) if rng.random() < share else None

    return cell


def cycle(values: Sequence[Cell]) -> Column:
    """The values in their order, again and again: activities of a case."""
    return lambda _rng, number, _row: values[number % len(values)]


def case(prefix: str, steps: int) -> Column:
    """The id of a case that spans `steps` rows."""
    return lambda _rng, number, _row: f"{prefix}{number // steps + 1:06d}"


def e_mail(domain: str) -> Column:
    def address(_rng: random.Random, number: int, row: Mapping[str, Cell]) -> Cell:
        first, last = str(row["first_name"]).lower(), str(row["last_name"]).lower()
        return f"{first}.{last}{number % 97}@{domain}"

    return address


def phone(rng: random.Random, _number: int, _row: Mapping[str, Cell]) -> Cell:
    """A number out of the range kept for fiction."""
    return f"({rng.choice((206, 312, 415, 617, 713))}) 555-01{rng.randrange(100):02d}"


_PLACES = (
    ("Boston", "MA", "021"), ("Springfield", "MA", "011"), ("Hartford", "CT", "061"),
    ("Newark", "NJ", "071"), ("Buffalo", "NY", "142"), ("Dayton", "OH", "454"),
    ("Chicago", "IL", "606"), ("St. Louis", "MO", "631"), ("Houston", "TX", "770"),
    ("Denver", "CO", "802"), ("Phoenix", "AZ", "850"), ("Seattle", "WA", "981"),
)  # fmt: skip


def city(rng: random.Random, _number: int, _row: Mapping[str, Cell]) -> Cell:
    return rng.choice(_PLACES)[0]


def state(_rng: random.Random, _number: int, row: Mapping[str, Cell]) -> Cell:
    return next(place[1] for place in _PLACES if place[0] == row["city"])


def zip_code(rng: random.Random, _number: int, row: Mapping[str, Cell]) -> Cell:
    return next(place[2] for place in _PLACES if place[0] == row["city"]) + (
        f"{rng.randrange(100):02d}"
    )


def street(rng: random.Random, _number: int, _row: Mapping[str, Cell]) -> Cell:
    name = rng.choice(("Main", "Oak", "Harbor", "Mill", "Station", "Market", "Cedar", "Prospect"))
    return f"{rng.randint(1, 980)} {name} {rng.choice(('St', 'Ave', 'Rd', 'Blvd'))}"


first_name = one_of(
    "James", "Maria", "Robert", "Linda", "David", "Susan", "Carlos", "Aisha", "Wei", "Priya",
    "Thomas", "Elena", "Kwame", "Yuki", "Omar", "Hannah", "Peter", "Grace", "Lucas", "Nadia",
)  # fmt: skip
last_name = one_of(
    "Smith", "Johnson", "Garcia", "Brown", "Nguyen", "Miller", "Lopez", "Kim", "Patel", "Clark",
    "Walker", "Young", "Okafor", "Tanaka", "Haddad", "Schmidt", "Rossi", "Novak", "Silva", "Jones",
)  # fmt: skip
accented_last_name = one_of(
    "Müller", "Núñez", "Lefèvre", "Gonçalves", "Björk", "Krüger", "Peña", "Sørensen"
)
company = one_of(
    "Northwind Paper", "Harbor Steel", "Cedar Office Supply", "Prairie Logistics", "Lakeside IT",
    "Granite Facilities", "Bluebird Catering", "Summit Legal", "Keystone Print", "Delta Packaging",
)  # fmt: skip
