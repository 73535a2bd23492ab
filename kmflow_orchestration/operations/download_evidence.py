"""The bytes of one evidence item, from whatever backend they are in (rows B28, B34)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import (
    AccessRefused,
    ConfigurationError,
    EvidenceGone,
    EvidenceNotIntact,
    KmflowError,
    RemoteFault,
    StorageUnavailable,
)
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.metadata.config_audit import AuditAction, ConfigAudit, Deed
from kmflow_orchestration.storage.disk_faults import disk_fault
from kmflow_orchestration.storage.evidence_stores import EvidenceStores, unreachable
from kmflow_orchestration.storage.verified_reading import CHUNK_BYTES
from kmflow_orchestration.storage.whole_files import replacing

# What hears of progress: the bytes that are done with.
OnBytes = Callable[[int], None]
Note = Callable[[str], None]
_MEND = "kmflow backfill-metadata tells what else is; drop the file into landing once more"


class EvidenceDownload:
    """An item with its bytes, which can be taken once; to be closed by whoever opened it."""

    def __init__(self, item: Item, first: bytes, rest: Generator[bytes], note: Note) -> None:
        self.item = item
        self._first = first
        self._rest = rest
        self._note = note

    def chunks(self) -> Iterator[bytes]:
        """The bytes in order; the last of them come only if all are what was stored.

        Whoever gets fewer than the item's `size_bytes` has got nothing. What went wrong is in the
        audit trail.

        Raises:
            EvidenceNotIntact: other bytes than were stored.
            BackendUnreachable: the backend went away in between.
        """
        yield self._first
        try:
            yield from self._rest
        except KmflowError as error:
            _note_failure(error, self._note)
            raise

    def close(self) -> None:
        """Let the store's stream go; a second call does nothing."""
        self._rest.close()


def open_download(
    group: str,
    item_id: str,
    *,
    caller: Caller,
    register: EvidenceRegister,
    stores: EvidenceStores,
    audit: ConfigAudit,
) -> EvidenceDownload:
    """Begin to read an item's stored file; who did so is in the audit trail before a byte leaves.

    A file of up to a megabyte is checked whole before this returns.

    Raises:
        CallerRefused: the group is none of the caller's.
        UnknownEvidence: the group has no such item; EvidenceGone if it was deleted.
        BackendUnreachable: the item's backend cannot be got at.
        EvidenceNotIntact: the file is not there, or holds other bytes than were stored.
        StorageUnavailable: the audit trail cannot be written.
    """
    own = caller.require(Role.VIEWER, group)
    item = register.find(own, item_id)
    if item.is_gone:
        raise EvidenceGone(f"{item.file_name} of {item.engagement_id} was deleted")

    def note(error_code: str) -> None:
        read_from, _ = stores.place_of(item.backend, item.stored_path)
        audit.note(own, _deed(item, caller, error_code, read_from))

    content = _verified(item, stores)
    try:
        first = next(content, b"")
    except KmflowError as error:
        _note_failure(error, note)
        raise
    try:
        note("")
    except KmflowError:
        content.close()
        raise
    return EvidenceDownload(item, first, content, note)


def save_download(
    download: EvidenceDownload, target: Path, *, on_bytes: OnBytes | None = None
) -> None:
    """Write a download to a file, whole or not at all; what was there is replaced.

    Raises:
        StorageUnavailable: the file cannot be written.
        EvidenceNotIntact, BackendUnreachable: as `EvidenceDownload.chunks`.
    """
    done = 0
    try:
        with replacing(target) as temporary, temporary.open("xb") as file:
            for chunk in download.chunks():
                file.write(chunk)
                done += len(chunk)
                if on_bytes is not None:
                    on_bytes(done)
    except OSError as error:
        raise disk_fault(target, error) from error


def _verified(item: Item, stores: EvidenceStores) -> Generator[bytes]:
    """A stored file's bytes, one chunk behind what was read of it."""
    digest, size, held = hashlib.sha256(), 0, b""
    with _stream(item, stores) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            if size > item.size_bytes:
                break
            if held:
                yield held
            held = chunk
    if (size, digest.hexdigest()) != (item.size_bytes, item.content_hash):
        raise EvidenceNotIntact(
            f"{item.file_name} of {item.engagement_id} holds other bytes than were stored",
            hint=_MEND,
        )
    yield held


@contextmanager
def _stream(item: Item, stores: EvidenceStores) -> Iterator[BinaryIO]:
    """The stored file; what is wrong with its place is said in one way, in every backend."""
    backend, path = stores.place_of(item.backend, item.stored_path)
    try:
        with stores.of(backend).open_read(path) as stream:
            yield stream
    except FileNotFoundError as error:
        raise EvidenceNotIntact(
            f"{item.file_name} of {item.engagement_id} is not in backend {backend} any more",
            hint=_MEND,
        ) from error
    except (ConfigurationError, AccessRefused, RemoteFault) as error:
        raise unreachable(backend, error) from error
    except OSError as error:
        fault = StorageUnavailable(error.strerror or type(error).__name__)
        raise unreachable(backend, fault) from error


def _note_failure(error: KmflowError, note: Note) -> None:
    try:
        note(error.code)
    except KmflowError as unrecorded:
        error.add_note(f"it is not in the audit trail: {unrecorded}")


def _deed(item: Item, caller: Caller, error_code: str, read_from: str) -> Deed:
    return Deed(
        action=AuditAction.DOWNLOAD_EVIDENCE,
        actor_email=caller.group_email,
        after={
            "id": item.item_id,
            "engagement": item.engagement_id,
            "file_name": item.file_name,
            "sha256": item.content_hash,
            "size_bytes": item.size_bytes,
            "backend": read_from,
        },
        error_code=error_code,
    )
