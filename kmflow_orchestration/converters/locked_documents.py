"""Documents behind a password: told, and unlocked into a plain copy (row D27)."""

from __future__ import annotations

import zipfile
from enum import StrEnum
from pathlib import Path
from typing import Any

from kmflow_orchestration.converters.content_look import HEAD_BYTES, ZIP_DAMAGE, look_at
from kmflow_orchestration.converters.documents.pdf import ONE_AT_A_TIME, PASSWORD_ERRORS
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.errors import PasswordRequiredError, WrongPasswordError

# PDFium's own number for it.
_WITHOUT_SECURITY = 3
_MANIFEST, _ENCRYPTED = "META-INF/manifest.xml", b"encryption-data"
# Any zip may have a bomb of this name. In a locked document the first files are locked already.
_MANIFEST_BYTES = 4 << 20


class Lock(StrEnum):
    """What a document is locked by."""

    NONE = ""
    OFFICE = "office"
    PDF = "pdf"
    OPEN_DOCUMENT = "open document"
    """Nobody here has its key."""


def lock_of(path: Path) -> Lock:
    """Whether a document needs a password to be read, and of which kind."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if b"%PDF-" in head[:1024]:
        return Lock.PDF if _is_locked_pdf(path) else Lock.NONE
    if head.startswith(b"PK"):
        return Lock.OPEN_DOCUMENT if _is_locked_open_document(path) else Lock.NONE
    is_office = look_at(head).is_container and _is_locked_office(path)
    return Lock.OFFICE if is_office else Lock.NONE


def unlock(path: Path, lock: Lock, password: str, copy: Path) -> None:
    """Write the document as it is without its password.

    Raises:
        WrongPasswordError: it is not this one.
        PasswordRequiredError: a document of a kind that is not unlocked here.
        CorruptInput: the document is damaged.
    """
    if lock is Lock.OPEN_DOCUMENT:
        raise PasswordRequiredError(
            "OpenDocument files are not unlocked here", hint="save it without a password"
        )
    if lock is Lock.PDF:
        _unlock_pdf(path, password, copy)
    elif lock is Lock.OFFICE:
        _unlock_office(path, password, copy)


def _wrong() -> PasswordRequiredError:
    # Without its cause, whose text might hold what was tried.
    return WrongPasswordError("the password is not the document's", hint="try another one")


def _is_locked_open_document(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = archive.getinfo(_MANIFEST)
            # OpenDocument knows no other; what another one needs of memory its content says.
            if manifest.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                return False
            with archive.open(manifest) as stream:
                return _ENCRYPTED in stream.read(_MANIFEST_BYTES)
    # Another archive, or a damaged one: its reader will say so.
    except (*ZIP_DAMAGE, KeyError):
        return False


def _is_locked_office(path: Path) -> bool:
    import msoffcrypto
    from msoffcrypto.exceptions import FileFormatError

    with path.open("rb") as stream:
        try:
            return bool(msoffcrypto.OfficeFile(stream).is_encrypted())
        # Another OLE file, such as a message, or a damaged one: its reader will say so.
        except (FileFormatError, OSError, ValueError, KeyError, IndexError):
            return False


def _unlock_office(path: Path, password: str, copy: Path) -> None:
    import msoffcrypto
    from msoffcrypto.exceptions import DecryptionError, InvalidKeyError

    with refusals_of("locked document"), path.open("rb") as stream, copy.open("wb") as target:
        document: Any = msoffcrypto.OfficeFile(stream)
        try:
            # Only the newer kind takes a wrong password without a word.
            more = {"verify_password": True} if document.format == "ooxml" else {}
            document.load_key(password=password, **more)
            document.decrypt(target)
        except (InvalidKeyError, DecryptionError):
            raise _wrong() from None


def _is_locked_pdf(path: Path) -> bool:
    import pypdfium2

    with ONE_AT_A_TIME:
        try:
            pypdfium2.PdfDocument(path).close()
        except pypdfium2.PdfiumError as error:
            return error.err_code in PASSWORD_ERRORS
    return False


def _unlock_pdf(path: Path, password: str, copy: Path) -> None:
    import pypdfium2

    with refusals_of("locked PDF"), ONE_AT_A_TIME:
        try:
            document = pypdfium2.PdfDocument(path, password=password)
        except pypdfium2.PdfiumError as error:
            if error.err_code in PASSWORD_ERRORS:
                raise _wrong() from None
            raise
        try:
            document.save(copy, flags=_WITHOUT_SECURITY)
        finally:
            document.close()
