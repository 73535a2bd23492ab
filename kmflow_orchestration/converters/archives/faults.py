"""What is wrong with one file of an archive must not stop the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kmflow_orchestration.converters.failures import DISK_FAULTS, FAILED
from kmflow_orchestration.errors import CorruptInput, KmflowError


@contextmanager
def faults_of_a_file() -> Iterator[None]:
    """Whatever a reader raises over a file's content comes out as CorruptInput.

    Raises:
        OSError: the disk's fault, not the content's.
        MemoryError, KmflowError: nor are these, such as a reader that is not installed.
    """
    try:
        yield
    except (KmflowError, ImportError, MemoryError):
        raise
    except OSError as error:
        if error.errno in DISK_FAULTS:
            raise
        raise _failed(error) from error
    # A reader may fail in any way on hostile bytes.
    except Exception as error:
        raise _failed(error) from error


def _failed(error: Exception) -> CorruptInput:
    return CorruptInput(f"{type(error).__name__}: {error}", reason=FAILED)
