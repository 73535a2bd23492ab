"""A source behind a password, read from a plain copy that lives as long as its reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.private_folder import private_folder


@contextmanager
def unlocked_source(source: Source, password: str | None) -> Iterator[Source]:
    """The source to read from: itself, unless it is locked and there is a password.

    What the file holds may be locked, too, as the files of an archive are.

    Raises:
        WrongPasswordError: it is not this one.
        PasswordRequiredError: a document of a kind that is not unlocked here.
        CorruptInput: the locked document is damaged.
    """
    if password is None:
        yield source
        return
    # It loads the reader of PDF files.
    from kmflow_orchestration.converters.locked_documents import Lock, lock_of, unlock

    lock = lock_of(source.path)
    if lock is Lock.NONE:
        yield replace(source, password=password)
        return
    # The folder is this user's alone.
    with private_folder("unlocked") as folder:
        copy = folder / f"content{source.suffix}"
        unlock(source.path, lock, password, copy)
        # What was told of the locked bytes says nothing of these.
        yield replace(source, path=copy, media_type="")
