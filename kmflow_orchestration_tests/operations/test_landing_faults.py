"""Bad things in a landing place: each is kept out, told and explained, and its neighbours go on."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from kmflow_orchestration.intake.entry_rules import LONGEST_NAME_BYTES
from kmflow_orchestration.intake.reading import KEPT_BYTES
from kmflow_orchestration.operations.store_evidence import StoredBatch
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.intake.test_file_history import decisions, story

YEAR_2300 = 10_413_792_000
WHOLE = "x" * (KEPT_BYTES + 1)


def names(stored: StoredBatch | None) -> list[str]:
    return sorted(file.file_name for file in stored.stored) if stored else []


def refused(place: LandingPlace) -> dict[str, str]:
    return {one.path: one.code for one in place.ledger.quarantined(place.group)}


@contextmanager
def bounded(pipe: Path, seconds: float = 10) -> Iterator[None]:
    """Whoever opens a pipe and waits for its writer is let go after this time, and it is told."""
    overdue = threading.Event()

    def let_go() -> None:
        overdue.set()
        with suppress(OSError):
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))

    timer = threading.Timer(seconds, let_go)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    assert not overdue.is_set()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    # A socket's own path may have 107 bytes at the most: its folder's may be longer.
    here = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with closing(socket.socket(socket.AF_UNIX)) as made:
            made.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)


def a_device(path: Path) -> None:
    try:
        os.mknod(path, 0o666 | 0o020000, os.makedev(1, 5))
    except OSError as error:
        if error.errno in {errno.EPERM, errno.EACCES}:
            pytest.skip("this user may make no devices")
        raise


def a_link_to_a_pipe(path: Path) -> None:
    os.mkfifo(path.parent / ".real")
    path.symlink_to(path.parent / ".real")


def a_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("made", "code", "word"),
    [
        (a_pipe, "unreadable", "is a pipe"),
        (a_socket, "unreadable", "is a socket"),
        (a_device, "unreadable", "is a device"),
        (a_link_to_a_pipe, "unreadable", "is a pipe"),
        (a_link_to_a_device, "path_trick", "leads out"),
        (a_link_to_itself, "unreadable", "symbolic links"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_no_file_is_told_and_its_neighbours_come_in(
    acme: LandingPlace, made: Callable[[Path], None], code: str, word: str
) -> None:
    acme.drop("e1/a.csv", "1")
    made(acme.root / "e1" / "odd.csv")
    acme.drop("e1/z.csv", "2")

    stored = acme.take_in()

    assert names(stored) == ["a.csv", "z.csv"]
    assert refused(acme) == {"e1/odd.csv": code}
    told = story(acme, "e1/odd.csv")
    assert decisions(told) == [f"quarantined {code}"]
    assert word in told.steps[0].message
    assert (told.outlook.verdict, told.outlook.code) == ("quarantined", code)
    assert word in told.outlook.reason
    assert acme.take_in() is None


@pytest.mark.parametrize("made", [a_pipe, a_socket, a_link_to_a_device])
@pytest.mark.parametrize("content", ["x", WHOLE], ids=["small", "large"])
def test_what_takes_a_files_place_while_a_run_works_is_never_waited_for(
    acme: LandingPlace, made: Callable[[Path], None], content: str
) -> None:
    def swap(_: object) -> None:
        place = acme.root / "e1" / "b.csv"
        place.unlink(missing_ok=True)
        made(place)
        acme.store.before_send = lambda _: None

    acme.drop("e1/a.csv", content)
    acme.drop("e1/b.csv", content + "b")
    acme.drop("e1/c.csv", "c")
    acme.store.before_send = swap

    acme.look()
    with bounded(acme.root / "e1" / "b.csv"):
        stored = acme.store_day(workers=1)

    # What was small was read already, and is stored as it was.
    is_in = ["a.csv", "b.csv", "c.csv"] if content == "x" else ["a.csv", "c.csv"]
    assert names(stored) == is_in
    acme.take_in()
    assert set(refused(acme)) == {"e1/b.csv"}


def test_a_side_file_that_is_a_pipe_is_a_warning(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "1")
    os.mkfifo(acme.root / "e1" / "a.csv.meta.yaml")

    with bounded(acme.root / "e1" / "a.csv.meta.yaml"):
        acme.take_in()

    (warning,) = acme.item("a.csv").side.warnings
    assert warning == "side file cannot be read: not a regular file"


def test_the_outlook_on_a_pipe_that_was_a_file_waits_for_nobody(acme: LandingPlace) -> None:
    place = acme.drop("e1/a.csv", "1")
    acme.take_in()
    place.unlink()
    os.mkfifo(place)

    with bounded(place):
        told = story(acme, "e1/a.csv").outlook

    assert (told.verdict, told.reason) == ("quarantined", "e1/a.csv is a pipe, not a regular file")


def test_a_name_as_long_as_a_disk_takes_is_told_with_its_limit(acme: LandingPlace) -> None:
    fits, longest = "f" * (LONGEST_NAME_BYTES - 4) + ".csv", "n" * 251 + ".csv"
    acme.drop(f"e1/{fits}", "1")
    acme.drop(f"e1/{longest}", "2")
    acme.drop("e1/a.csv", "3")

    stored = acme.take_in()

    assert names(stored) == ["a.csv", fits]
    assert acme.store.read(acme.item(fits).stored_path) == b"1"
    assert refused(acme) == {f"e1/{longest}": "bad_name"}
    (step,) = story(acme, f"e1/{longest}").steps
    assert step.message.startswith(f"a name of 255 bytes, the most is {LONGEST_NAME_BYTES}")


def test_names_that_are_no_text_are_told_as_they_are_shown(acme: LandingPlace) -> None:
    for raw in (b"e1/caf\xe9.csv", b"caf\xe9/a.csv", b"e1/caf\xe9/deep/a.csv"):
        acme.drop(os.fsdecode(raw), "1")
    acme.drop("e1/a.csv", "2")

    stored = acme.take_in()

    assert names(stored) == ["a.csv"]
    assert refused(acme) == {
        "caf\\xe9/a.csv": "bad_name",
        "e1/caf\\xe9.csv": "bad_name",
        "e1/caf\\xe9/deep/a.csv": "bad_name",
    }
    for asked in (os.fsdecode(b"e1/caf\xe9.csv"), "e1/caf\\xe9.csv"):
        told = story(acme, asked)
        assert (told.path, decisions(told)) == ("e1/caf\\xe9.csv", ["quarantined bad_name"])
        assert told.steps[0].message == "a name that is no UTF-8"
    assert acme.take_in() is None


def test_names_that_differ_only_in_case_are_files_of_their_own(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "lower")
    acme.drop("e1/A.csv", "upper")
    acme.drop("e1/b.csv", "same")
    acme.drop("e1/B.csv", "same")

    stored = acme.take_in()

    assert names(stored) == ["A.csv", "B.csv", "a.csv", "b.csv"]
    lower, upper = acme.item("a.csv"), acme.item("A.csv")
    assert lower.stored_path.lower() != upper.stored_path.lower()
    assert acme.store.read(lower.stored_path) == b"lower"
    assert acme.store.read(upper.stored_path) == b"upper"
    assert {acme.item("b.csv").state, acme.item("B.csv").state} == {"stored", "duplicate"}
    assert acme.take_in() is None


def test_a_file_from_after_the_end_of_databases_time_stops_nobody(acme: LandingPlace) -> None:
    late = acme.drop("e1/late.csv", "1")
    os.utime(late, (YEAR_2300, YEAR_2300))
    if late.stat().st_mtime != YEAR_2300:
        pytest.skip("this disk knows no such time")
    acme.drop("e1/a.csv", "2")

    assert names(acme.take_in()) == ["a.csv"]
    acme.clock.advance(5)
    assert names(acme.take_in()) == ["late.csv"]
    assert acme.take_in() is None
    assert story(acme, "e1/late.csv").outlook.verdict == "same"


def test_a_folder_from_after_the_end_of_databases_time_stops_nobody(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "1")
    os.utime(acme.root / "e1", (YEAR_2300, YEAR_2300))
    assert names(acme.take_in()) == ["a.csv"]


@pytest.mark.parametrize("change", ["grows", "vanishes", "is replaced"])
def test_a_file_that_changes_between_reading_and_sending_comes_in_whole_or_not_at_all(
    acme: LandingPlace, change: str
) -> None:
    place = acme.drop("e1/b.csv", WHOLE)
    acme.drop("e1/c.csv", "c")

    def meanwhile(file: object) -> None:
        acme.store.before_send = lambda _: None
        if change == "grows":
            with place.open("a") as stream:
                stream.write("more")
        elif change == "vanishes":
            place.unlink()
        else:
            acme.drop("e1/new.part", "y" * len(WHOLE)).rename(place)

    acme.store.before_send = meanwhile
    stored = acme.take_in()

    assert names(stored) == ["c.csv"]
    told = story(acme, "e1/b.csv")
    if change == "vanishes":
        assert told.outlook.verdict == "missing"
        assert told.steps[-1].message.startswith("b.csv cannot be read: No such file")
        return
    assert decisions(told)[-1] == "waiting"
    acme.age("e1/b.csv", 60)
    acme.clock.advance(60)
    assert names(acme.take_in()) == ["b.csv"]
    assert acme.store.read(acme.item("b.csv").stored_path) == place.read_bytes()


@pytest.mark.parametrize(
    "name",
    ["a.csv.part", "a.csv.TMP", "a.csv.filepart", "a.csv.crdownload", "~$a.xlsx", ".a.csv.x1Y2z"],
)
def test_a_half_written_name_is_passed_over_until_it_is_renamed(
    acme: LandingPlace, name: str
) -> None:
    half = acme.drop(f"e1/{name}", "1")

    assert acme.look().seen == 0
    told = story(acme, f"e1/{name}").outlook
    assert told.verdict == "ignored"
    assert "matches" in told.reason
    half.rename(acme.root / "e1" / "a.csv")
    assert names(acme.take_in()) == ["a.csv"]
