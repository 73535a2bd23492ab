"""What killed processes leave behind goes with the next conversion; what is in use stays."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kmflow_orchestration.converters.private_folder import (
    PrivateFolder,
    clear_leftovers,
    private_folder,
)
from kmflow_orchestration.operations.convert.convert_file import convert_file

_HOLDER = """
import sys
from kmflow_orchestration.converters.private_folder import PrivateFolder
folder = PrivateFolder("typed")
(folder.path / "deep").mkdir()
(folder.path / "deep" / "table.parquet").write_bytes(b"rows")
print(folder.path, flush=True)
sys.stdin.read()
"""
_CONVERSION = """
import sys
from kmflow_orchestration.operations.convert.convert_file import convert_file
convert_file(sys.argv[1])
"""


class Holder:
    """A process of its own with a folder in use."""

    def __init__(self, temporary: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _HOLDER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"TMPDIR": str(temporary)},
            text=True,
        )
        assert self._process.stdout is not None
        self.path = Path(self._process.stdout.readline().strip())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def killed(temporary: Path) -> Iterator[Path]:
    with closing(Holder(temporary)) as holder:
        holder.kill()
        yield holder.path


def test_the_next_conversion_clears_what_a_killed_process_left(
    temporary: Path, tmp_path: Path
) -> None:
    source = tmp_path / "a.csv"
    source.write_text("id\n1\n")
    with closing(Holder(temporary)) as living, closing(Holder(temporary)) as killed:
        killed.kill()
        assert (killed.path / "deep" / "table.parquet").exists()

        convert_file(source)

        assert list(temporary.iterdir()) == [living.path]
        assert (living.path / "deep" / "table.parquet").exists()
    assert list(temporary.iterdir()) == []


def test_what_a_conversion_killed_at_its_copy_left_goes_with_the_next(
    temporary: Path, tmp_path: Path
) -> None:
    source = tmp_path / "many.csv"
    with source.open("w") as target:
        target.write("id,amount,name\n")
        target.writelines(f"{row},{row}.25,name of {row}\n" for row in range(1_000_000))
    command = [sys.executable, "-c", _CONVERSION, str(source)]
    with subprocess.Popen(command, env={"TMPDIR": str(temporary)}) as process:
        while process.poll() is None and not list(temporary.glob("kmflow-typed-*/*")):
            time.sleep(0.001)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert list(temporary.glob("kmflow-typed-*"))

    small = tmp_path / "a.csv"
    small.write_text("id\n1\n")
    convert_file(small)

    assert list(temporary.iterdir()) == []


def test_folders_of_others_stay(temporary: Path, tmp_path: Path) -> None:
    of_others = tmp_path / "theirs"
    of_others.mkdir()
    (of_others / "file").write_text("kept")
    (temporary / "kmflow-typed-link.held").symlink_to(of_others, target_is_directory=True)
    (temporary / "kmflow-typed-older").mkdir()
    (temporary / "other.held").mkdir()

    clear_leftovers()

    assert sorted(one.name for one in temporary.iterdir()) == [
        "kmflow-typed-link.held",
        "kmflow-typed-older",
        "other.held",
    ]
    assert (of_others / "file").read_text() == "kept"


def test_a_leftover_with_a_folder_in_use_stays_until_that_is_left(
    temporary: Path, killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as inside:
        inside.setattr(tempfile, "tempdir", str(killed))
        own = PrivateFolder("call")

    clear_leftovers()
    assert own.path.is_dir()
    own.remove()
    clear_leftovers()

    assert list(temporary.iterdir()) == []


def test_a_folder_goes_with_its_block_also_when_that_fails(temporary: Path) -> None:
    def fail() -> None:
        with private_folder("text") as folder:
            assert folder.stat().st_mode & 0o777 == 0o700
            clear_leftovers()
            assert folder.is_dir()
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert list(temporary.iterdir()) == []
