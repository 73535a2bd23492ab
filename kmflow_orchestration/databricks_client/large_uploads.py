"""Uploads that take more than one request: begun, sent, and gone on with after a process died.

The workspace says how it wants them: in parts, or as one stream that is resumed where it broke, as
Google's cloud has it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import quote

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls, required
from kmflow_orchestration.databricks_client.parted_upload import (
    FILES,
    InParts,
    LinksRefused,
    PartSizes,
    Room,
    unheard,
)
from kmflow_orchestration.databricks_client.resumable_upload import Resumable
from kmflow_orchestration.databricks_client.upload_journal import (
    Begun,
    UploadedContent,
    UploadJournal,
    UploadJournals,
)
from kmflow_orchestration.errors import (
    AccessRefused,
    KmflowError,
    ProtocolError,
    RemoteConflict,
    RemoteFault,
    RemoteNotFound,
    RequestRejected,
)
from kmflow_orchestration.names import VolumePath

logger = logging.getLogger(__name__)
PARTS, RESUMABLE = "multipart_upload", "resumable_upload"
# After these the same upload would fail again.
_USELESS = (RemoteNotFound, RemoteConflict, RequestRejected, ProtocolError, LinksRefused)
OnSent = Callable[[int], object]


class NoParts(Exception):
    """The workspace takes no large uploads here; nothing has been sent."""


class UploadGone(Exception):
    """The workspace knows no such upload: over, or completed where only the answer was lost."""

    def __init__(self, *, went_on: bool) -> None:
        super().__init__()
        self.went_on = went_on


@dataclass(frozen=True, slots=True)
class LargeFile:
    """What to send, and to where; `opener` gives the content from its start.

    `content` says what bytes these are: then an upload that a process left may be gone on with.
    """

    path: VolumePath
    opener: Callable[[], BinaryIO]
    size_bytes: int
    overwrite: bool = False
    content: UploadedContent | None = None
    on_sent: OnSent = unheard


class LargeUploads:
    """Large uploads over one client; safe for many threads, which share its memory."""

    def __init__(
        self,
        calls: WorkspaceCalls,
        sizes: PartSizes | None = None,
        journals: UploadJournals | None = None,
    ) -> None:
        self._calls = calls
        self._sizes = sizes or PartSizes()
        self._journals = journals
        self._room = Room(self._sizes.in_memory_bytes // self._sizes.part_bytes)

    def send(self, file: LargeFile) -> bool:
        """Store a file, which appears whole once its last byte is there.

        True when it went on with what another process had begun. A failure leaves no file, unless
        the last answer of all was lost.

        Raises:
            NoParts: the workspace has no such uploads; `opener` was not called.
            UploadGone: it has lost this one.
            RemoteConflict: there is a file already, and `overwrite` is false.
        """
        if self._journals is None or file.content is None:
            self._begin_and_run(file, None)
            return False
        with self._journals.of(file.path) as journal:
            if journal is None:
                self._begin_and_run(file, None)
                return False
            went_on = self._go_on(file, file.content, journal)
            if not went_on:
                self._sweep(file.content, self._journals)
                self._begin_and_run(file, journal)
            return went_on

    def _go_on(self, file: LargeFile, content: UploadedContent, journal: UploadJournal) -> bool:
        """Finish what was begun, if that is of the same bytes; else drop it."""
        begun = journal.begun
        if begun is None:
            return False
        noted = (begun.path, begun.state, begun.size_bytes)
        if noted != (file.path.text, content.state, file.size_bytes):
            logger.info("%s: the source has changed; it is sent anew", file.path.text)
            self._drop(begun, journal)
            return False
        logger.info("%s: an upload of %s is gone on with", file.path.text, begun.begun_at)
        self._run(file, begun, journal, went_on=True)
        return True

    def _begin_and_run(self, file: LargeFile, journal: UploadJournal | None) -> None:
        way, token = self._begun(file)
        begun = Begun(
            path=file.path.text,
            way=way,
            token=token,
            size_bytes=file.size_bytes,
            part_bytes=self._sizes.of(file.size_bytes),
            state=file.content.state if file.content else "",
            origin=file.content.origin if file.content else "",
            begun_at=self._journals.now() if self._journals else "",
        )
        if journal is not None:
            journal.begin(begun)
        self._run(file, begun, journal, went_on=False)

    def _begun(self, file: LargeFile) -> tuple[str, str]:
        endpoint = FILES + quote(file.path.text)
        query = {"action": "initiate-upload", "overwrite": "true" if file.overwrite else "false"}
        try:
            answer = self._calls.do("POST", endpoint, query=query)
        except RemoteNotFound as error:
            # No such API, or no such Volume: one request says which.
            raise NoParts from error
        for way in (PARTS, RESUMABLE):
            upload: Any = answer.get(way)
            if isinstance(upload, dict):
                return way, str(required(upload, "session_token", f"POST {endpoint}"))
        raise NoParts

    def _run(
        self, file: LargeFile, begun: Begun, journal: UploadJournal | None, *, went_on: bool
    ) -> None:
        upload = self._upload(begun, journal, file)
        try:
            upload.send(file.opener, file.size_bytes)
        except BaseException as error:
            if journal is None or not _may_be_gone_on_with(error):
                self._drop(begun, journal)
            if isinstance(error, RemoteNotFound):
                raise UploadGone(went_on=went_on) from error
            raise
        if journal is not None:
            journal.end()

    def _upload(
        self, begun: Begun, journal: UploadJournal | None = None, file: LargeFile | None = None
    ) -> InParts | Resumable:
        path = VolumePath.parse(begun.path)
        hearing: dict[str, Any] = {} if file is None else {"on_sent": file.on_sent}
        if begun.way == RESUMABLE:
            return Resumable(
                self._calls, path, begun.token, self._room, begun.part_bytes, **hearing
            )
        if journal is not None:
            hearing |= {"etags": dict(journal.etags), "on_arrival": journal.arrived}
        workers, size = self._sizes.workers, begun.part_bytes
        return InParts(self._calls, path, begun.token, self._room, workers, size, **hearing)

    def _sweep(self, content: UploadedContent, journals: UploadJournals) -> None:
        """Drop what nobody will go on with."""
        for journal in journals.abandoned(content.origin):
            if journal.begun is not None:
                self._drop(journal.begun, journal)

    def _drop(self, begun: Begun, journal: UploadJournal | None) -> None:
        """Best effort: the workspace drops what is never completed, after some days."""
        try:
            self._upload(begun).abort()
        except KmflowError as error:
            logger.info("an upload was left to expire: %s", error.message)
        finally:
            if journal is not None:
                journal.end()


def _may_be_gone_on_with(error: BaseException) -> bool:
    """An interrupt, a network that is away, a token that is to be renewed: another run may."""
    if isinstance(error, Exception):
        return isinstance(error, (RemoteFault, AccessRefused)) and not isinstance(error, _USELESS)
    return True
