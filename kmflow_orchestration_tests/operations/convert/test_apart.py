"""One file in a process of its own: limits, deaths and Ctrl-C are its outcome alone (row D22)."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kmflow_orchestration import notebook
from kmflow_orchestration.errors import (
    ConverterCrashed,
    CorruptInput,
    InvalidOptions,
    KmflowError,
    OutOfMemoryError,
    OutputTooLarge,
    QuarantinedFile,
    TimeLimitExceeded,
)
from kmflow_orchestration.operations.convert.apart import (
    convert_apart,
    inspect_apart,
    validate_apart,
)
from kmflow_orchestration.operations.convert.idle_process import kept_process
from kmflow_orchestration.operations.convert.inspect_file import inspect_file
from kmflow_orchestration.operations.convert.one_process import Limits, OneProcess, ProcessDied
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.progress import Tell
from kmflow_orchestration.operations.convert.work_folder import PREFIX, nothing_left
from kmflow_orchestration_tests.operations.convert.conftest import LOANS, names_in
from kmflow_orchestration_tests.operations.convert.interrupted import interrupted

USUAL = Limits(timeout_s=120)
HASTY = Limits(timeout_s=0.0001)
TIGHT = Limits(memory_bytes=1 << 20)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Takes a second or more to convert."""
    path = tmp_path / "in" / "large.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("a,b\n" + "some text,1\n" * 300_000)
    return path


def converted(source: Path, limits: Limits = USUAL, **options: object) -> int:
    with kept_process(limits) as process:
        rows: int = convert_apart(process, source, None, conversion_options(options))["rows"]
        return rows


def own_pid(_: object) -> int:
    return os.getpid()


def fill_memory(seconds: float) -> None:
    """Maps all it may, and keeps it for some time without doing anything."""
    held = []
    try:
        while True:
            held.append(mmap.mmap(-1, 1 << 20))
    except OSError:
        time.sleep(seconds)


def fill_memory_and_work(seconds: float) -> str:
    fill_memory(0)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        pass
    return "done"


def set_aside(how_it_ends: str, tell: Tell) -> str:
    """As a locked file is: its plain text lies in a folder until it has been read."""
    folder = Path(tempfile.mkdtemp(prefix="kmflow-unlocked-"))
    (folder / "content.xlsx").write_text("plain")
    tell("read", 0, 1, "files", str(folder))
    match how_it_ends:
        case "death":
            os._exit(3)
        case "time":
            time.sleep(120)
        case "fault":
            raise CorruptInput("broken")
    return how_it_ends


@pytest.mark.parametrize("ends", ["death", "time"])
def test_however_a_call_ends_nothing_it_set_aside_stays(
    ends: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[int] = []

    def hear(*_: object) -> None:
        seen.extend(one.stat().st_mode & 0o777 for one in tmp_path.iterdir())

    with OneProcess(USUAL) as process:
        assert process.run(set_aside, "well", hear=hear) == "well"
        assert names_in(tmp_path) == set()
        with pytest.raises(CorruptInput):
            process.run(set_aside, "fault", hear=hear)
        assert names_in(tmp_path) == set()
        process.limits = Limits(2) if ends == "time" else USUAL
        with pytest.raises(ProcessDied):
            process.run(set_aside, ends, hear=hear)
        assert names_in(tmp_path) == set()

    assert set(seen) == {0o700}


def test_a_process_that_stands_still_at_its_memory_limit_is_ended() -> None:
    with (
        OneProcess(Limits(60, memory_bytes=64 << 20, patience_s=0.4)) as process,
        pytest.raises(MemoryError),
    ):
        process.run(fill_memory, 120)


def test_one_that_works_at_its_limit_or_sleeps_far_from_it_goes_on() -> None:
    with OneProcess(Limits(memory_bytes=64 << 20, patience_s=0.2)) as process:
        assert process.run(fill_memory_and_work, 1.0) == "done"
    with OneProcess(Limits(patience_s=0.2)) as process:
        assert process.run(time.sleep, 1.0) is None


@pytest.mark.parametrize(
    ("limits", "errors", "exit_codes"),
    [
        (HASTY, (TimeLimitExceeded,), {6}),
        (TIGHT, (OutOfMemoryError, ConverterCrashed), {6, 1}),
    ],
    ids=["time", "memory"],
)
def test_beyond_its_limits_a_file_fails_and_leaves_nothing(
    large: Path, limits: Limits, errors: tuple[type[KmflowError], ...], exit_codes: set[int]
) -> None:
    with pytest.raises(errors, match="large") as failed:
        converted(large, limits)

    assert failed.value.exit_code in exit_codes
    assert "--" in failed.value.hint
    assert names_in(large.parent) == {"large.csv"}


def test_a_reader_that_dies_fails_its_file_and_what_was_there_stays(loans: Path) -> None:
    converted(loans)
    before = {name: (loans.parent / name).read_bytes() for name in names_in(loans.parent)}

    def kill(*_: object) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    loans.write_text(LOANS + LOANS.partition("\n")[2] * 100_000)
    before["loans.csv"] = loans.read_bytes()
    force = conversion_options({"force": True})
    with kept_process(USUAL) as process, pytest.raises(ConverterCrashed, match="died"):
        convert_apart(process, loans, None, force, tell=kill)

    after = {name: (loans.parent / name).read_bytes() for name in names_in(loans.parent)}
    assert after == before
    assert converted(loans, force=True) == 300_003


def test_what_a_killed_process_left_is_removed_with_the_folders_it_made(tmp_path: Path) -> None:
    beside = tmp_path / "deep" / "er"
    with nothing_left(beside, "key"):
        (beside / f"{PREFIX}key").mkdir(parents=True)
        (beside / f"{PREFIX}key" / "half.parquet").write_bytes(b"PAR1")

    assert names_in(tmp_path) == set()


def test_ctrl_c_ends_the_other_process_and_leaves_nothing(large: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, err = interrupted(
        ["convert", str(large), "out/", "--quiet"], tmp_path, out, signal.SIGINT
    )

    assert (code, err) == (130, "")
    assert not out.exists()


def test_progress_comes_from_the_other_process_in_its_order(loans: Path) -> None:
    told: list[str] = []
    with kept_process(USUAL) as process:
        options = conversion_options()
        convert_apart(process, loans, None, options, tell=lambda stage, *_: told.append(stage))

    assert told == ["detect", "read", "write", "verify", "clean"]


def test_a_process_is_kept_for_the_next_file_of_the_same_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kept_process(USUAL) as process:
        first = process.run(own_pid, None)
        with kept_process(USUAL) as another:
            assert another.run(own_pid, None) != first
    with kept_process(USUAL) as process:
        kept = process.run(own_pid, None)
        monkeypatch.chdir(tmp_path)
        assert process.run(os.path.abspath, "x") == str(tmp_path / "x")
    with kept_process(Limits(timeout_s=60)) as process:
        assert process.run(own_pid, None) != kept


@pytest.mark.parametrize(
    "error",
    [
        QuarantinedFile("bad", reason="archive_bomb", hint="unpack it"),
        OutputTooLarge("large", actual_bytes=2, limit_bytes=1),
        InvalidOptions("wrong", hint="right"),
        CorruptInput("broken"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_the_same_in_another_process(error: KmflowError) -> None:
    arrived = pickle.loads(pickle.dumps(error))  # noqa: S301 (made here)

    assert type(arrived) is type(error)
    assert (str(arrived), vars(arrived)) == (str(error), vars(error))


def test_info_and_validate_have_limits_too(loans: Path, large: Path) -> None:
    with kept_process(USUAL) as process:
        assert inspect_apart(process, loans, explain=False) == inspect_file(loans).as_dict()
    with kept_process(HASTY) as process:
        with pytest.raises(TimeLimitExceeded):
            inspect_apart(process, large, explain=False)
        found = validate_apart(process, large, deep=True)

    assert (found["is_valid"], found["code"]) == (False, TimeLimitExceeded.code)


def test_a_notebook_may_give_limits(large: Path) -> None:
    with pytest.raises(TimeLimitExceeded):
        notebook.convert_file(large, timeout=0.0001)

    made = notebook.convert_file(large, timeout=120, max_memory=1024)
    assert pq.read_metadata(made).num_rows == 300_000


def test_a_session_without_a_script_reads_in_another_process_by_itself(loans: Path) -> None:
    lines = [
        "import multiprocessing",
        "from kmflow_orchestration.notebook import convert_file",
        f"print(convert_file({str(loans)!r}), len(multiprocessing.active_children()))",
    ]
    child = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (child.stdout, child.stderr) == (f"{loans.with_suffix('.parquet')} 1\n", "")


_EARLY = """
import os, sys
from kmflow_orchestration.operations.convert.idle_process import begin_early, kept_process
from kmflow_orchestration.operations.convert.one_process import Limits

def own_pid(_):
    return os.getpid()

def unneeded(_):
    return {{"numpy", "pandas", "typer"}} & set(sys.modules)

begin_early()
import multiprocessing
(begun,) = multiprocessing.active_children()
{used}
print(begun.pid)
"""
_USED = """
limits = Limits(60, 1 << 30)
with kept_process(limits) as process:
    assert (process.run(own_pid, None), process.limits) == (begun.pid, limits)
    assert process.run(unneeded, None) == set()
with kept_process(limits) as process:
    assert process.run(own_pid, None) == begun.pid
with kept_process(Limits(90)) as process:
    assert process.run(own_pid, None) != begun.pid
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a process is copied on Linux alone")
@pytest.mark.parametrize("used", [_USED, ""], ids=["used", "unused"])
def test_a_process_begun_early_takes_the_first_limits_and_is_gone_in_the_end(used: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _EARLY.format(used=used)], check=True, capture_output=True
    )

    assert done.stderr == b""
    assert not Path(f"/proc/{int(done.stdout)}").exists()
