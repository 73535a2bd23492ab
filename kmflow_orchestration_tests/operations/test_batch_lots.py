"""Lots of a batch: one per engagement, a portion read while the one before is given out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kmflow_orchestration.operations.batch_lots import Lot, wanted_files


def test_the_next_portion_is_read_while_one_is_given_out() -> None:
    lots, second_is_read = [Lot([]), Lot([])], threading.Event()

    def read(lot: Lot) -> Iterator[Any]:
        yield ["a file"]
        if lot is lots[0]:
            second_is_read.set()
            yield ["another file"]

    given = wanted_files(lots, read)

    assert next(given) == (lots[0], "a file")
    assert second_is_read.wait(5)
    assert [(lot is lots[1], file) for lot, file in given] == [
        (False, "another file"),
        (True, "a file"),
    ]


def test_a_lot_that_cannot_be_read_stops_the_others() -> None:
    def read(_: Lot) -> Iterator[Any]:
        yield []
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(wanted_files([Lot([]), Lot([])], read))


def test_nothing_to_read_gives_nothing() -> None:
    given: list[Any] = list(wanted_files([], lambda _: iter(())))
    assert given == []
