"""Lots of a batch: one per engagement, the next read while the one before is given out."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from kmflow_orchestration.operations.batch_lots import Lot, wanted_files


def test_the_next_lot_is_read_while_one_is_given_out() -> None:
    lots, second_is_read = [Lot([]), Lot([])], threading.Event()

    def read(lot: Lot) -> None:
        lot.wanted = ["a file"]  # type: ignore[list-item]
        if lot is lots[1]:
            second_is_read.set()

    given = wanted_files(lots, read)

    assert next(given)[0] is lots[0]
    assert second_is_read.wait(5)
    assert [lot is lots[1] for lot, _ in given] == [True]


def test_a_lot_that_cannot_be_read_stops_the_others() -> None:
    def read(_: Lot) -> None:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(wanted_files([Lot([]), Lot([])], read))


def test_nothing_to_read_gives_nothing() -> None:
    given: list[Any] = list(wanted_files([], lambda _: None))
    assert given == []
