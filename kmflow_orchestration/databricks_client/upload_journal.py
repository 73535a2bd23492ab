"""What is known of large uploads under way, on this machine: a later process goes on with them.

One file per upload, of JSON lines: how it was begun, then a line for each part that has arrived.
Its lock tells a process at work from one that died. No presigned link is in it; see decision 26 for
the session's token.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from kmflow_orchestration.clock import Clock, iso
from kmflow_orchestration.config.ciphertext import KEY_VARIABLE, decrypt, encrypt
from kmflow_orchestration.errors import CredentialError
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.redaction import register

logger = logging.getLogger(__name__)
# Google's sessions last a week, and nobody tells how long the others do.
_LASTS = timedelta(days=6)
_SEALED = "fernet:"


@dataclass(frozen=True, slots=True)
class UploadedContent:
    """What an upload is of.

    `state` is the same text for as long as the bytes are the same; `origin` says where they come
    from: an unfinished upload of other bytes from there is of no use any more.
    """

    state: str
    origin: str


@dataclass(frozen=True, slots=True)
class Begun:
    """An upload as it was begun; `way` is how it is sent, `token` names its session."""

    path: str
    way: str
    token: str = field(repr=False)
    size_bytes: int
    part_bytes: int
    state: str
    origin: str
    begun_at: str


class UploadJournal:
    """One upload's file, which this process alone may use until it is closed."""

    def __init__(self, file: Path, descriptor: int, seal: Seal) -> None:
        self._file = file
        self._descriptor = descriptor
        self._seal = seal
        self.begun: Begun | None = None
        self.etags: dict[int, str] = {}
        self._read()

    def _read(self) -> None:
        with os.fdopen(os.dup(self._descriptor), "rb") as stream:
            lines = [_parsed(line) for line in stream]
        # A process that was killed leaves half a line, at the end.
        known = [line for line in lines if line is not None]
        if not known:
            return
        try:
            begun = Begun(**known[0])
            datetime.fromisoformat(begun.begun_at)
            self.etags = {int(one["part"]): str(one["etag"]) for one in known[1:]}
        except (TypeError, KeyError, ValueError):
            return
        token = self._seal.opened(begun.token)
        self.begun = None if token is None else replace(begun, token=token)

    def begin(self, begun: Begun) -> None:
        """Note a new upload, in the place of what was noted."""
        self.begun, self.etags = begun, {}
        with _best_effort():
            os.ftruncate(self._descriptor, 0)
        self._add(asdict(replace(begun, token=self._seal.sealed(begun.token))))

    def arrived(self, number: int, etag: str) -> None:
        """Note a part that the workspace has."""
        self.etags[number] = etag
        self._add({"part": number, "etag": etag})

    def _add(self, line: Mapping[str, Any]) -> None:
        # A line break first: the line before may have been cut short.
        with _best_effort():
            os.write(self._descriptor, ("\n" + json.dumps(line)).encode())

    def end(self) -> None:
        """Nothing is under way any more."""
        self.begun, self.etags = None, {}
        with _best_effort():
            os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        """Let another process have it; without anything noted it goes."""
        with _best_effort():
            if self.begun is None and _is_at(self._file, self._descriptor):
                self._file.unlink(missing_ok=True)
        os.close(self._descriptor)


class UploadJournals:
    """One group's uploads under way, in a folder for its owner alone."""

    def __init__(
        self, folder: Path, *, clock: Clock, environment: Mapping[str, str] | None = None
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._seal = Seal(environment)

    @contextmanager
    def of(self, path: VolumePath) -> Iterator[UploadJournal | None]:
        """The journal of a file; None while another has it, or where none can be kept."""
        name = hashlib.sha256(path.text.encode()).hexdigest()[:32]
        journal = None
        with _best_effort():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            journal = self._opened(self._folder / f"{name}.jsonl", create=True)
        try:
            yield journal
        finally:
            if journal is not None:
                journal.close()

    def abandoned(self, origin: str) -> Iterator[UploadJournal]:
        """Uploads that nobody will go on with: too old, or of what `origin` was before."""
        for file in sorted(self._folder.glob("*.jsonl")):
            try:
                journal = self._opened(file, create=False)
            except OSError:
                continue  # gone meanwhile
            if journal is None:
                continue
            try:
                begun = journal.begun
                if begun is not None and (begun.origin == origin or not self.lasts(begun)):
                    yield journal
            finally:
                journal.close()

    def lasts(self, begun: Begun) -> bool:
        """Whether the workspace may still know the upload."""
        return self._clock.now() - datetime.fromisoformat(begun.begun_at) < _LASTS

    def now(self) -> str:
        return iso(self._clock.now())

    def _opened(self, file: Path, *, create: bool) -> UploadJournal | None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            descriptor = os.open(file, flags | (os.O_CREAT if create else 0), 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(file, descriptor):
                    return UploadJournal(file, descriptor, self._seal)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
            # Removed by the one who had the lock; with `create` there is soon another.
            os.close(descriptor)


class Seal:
    """Keeps a session's token from other eyes, where the environment has a key for that."""

    def __init__(self, environment: Mapping[str, str] | None) -> None:
        self._given = environment

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an environment is not pickled: it may hold secrets")

    @property
    def _environment(self) -> Mapping[str, str]:
        return os.environ if self._given is None else self._given

    def sealed(self, token: str) -> str:
        register(token, passing=True)
        if not self._environment.get(KEY_VARIABLE):
            return token
        return _SEALED + encrypt(token, self._environment)

    def opened(self, text: str) -> str | None:
        """The token again; None when its key is gone."""
        token = text
        if text.startswith(_SEALED):
            try:
                token = decrypt(text.removeprefix(_SEALED), self._environment)
            except CredentialError:
                return None
        register(token, passing=True)
        return token


@contextmanager
def _best_effort() -> Iterator[None]:
    """Notes only save sending again: an upload must not fail for want of them."""
    try:
        yield
    except OSError as error:
        logger.warning("an upload under way cannot be noted: %s", error.strerror)


def _is_at(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
