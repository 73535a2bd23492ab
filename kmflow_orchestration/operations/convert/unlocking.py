"""A source behind a password, read from a plain copy that lives as long as the conversion."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from kmflow_orchestration.config.secret_refs import Secret, SecretRef
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.source_reading import naming_faults


def password_of(options: ConversionOptions, given: Secret | None = None) -> Secret | None:
    """The password: given as it is, or in the variable that the options name.

    Raises:
        CredentialError: there is no such variable, or nothing in it.
    """
    if given is not None or not options.password_env:
        return given
    return SecretRef("env", options.password_env).resolve()


@contextmanager
def unlocked(source: Source, password: Secret | None) -> Iterator[Source]:
    """The source to read from: itself, unless it is locked and there is a password.

    What the file holds may be locked, too, as the files of an archive are.

    Raises:
        WrongPasswordError: it is not this one.
        CorruptInput: the locked document is damaged.
    """
    if password is None:
        yield source
        return
    # It loads the reader of PDF files.
    from kmflow_orchestration.converters.locked_documents import Lock, lock_of, unlock

    with naming_faults(source):
        lock = lock_of(source.path)
    if lock is Lock.NONE:
        yield replace(source, password=password.reveal())
        return
    # The folder is this user's alone.
    with tempfile.TemporaryDirectory(prefix="kmflow-unlocked-") as folder:
        copy = Path(folder) / f"content{source.suffix}"
        with naming_faults(source):
            unlock(source.path, lock, password.reveal(), copy)
        yield replace(source, path=copy)
