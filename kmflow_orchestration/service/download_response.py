"""An evidence item's bytes as an answer that is whole or visibly cut (row B28)."""

from __future__ import annotations

import base64
import re

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.operations.download_evidence import EvidenceDownload
from kmflow_orchestration.service.content_disposition import attachment

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+", re.IGNORECASE)
_UNKNOWN_TYPE = "application/octet-stream"


class DownloadResponse(StreamingResponse):
    """Streams a download. Its length is announced, so one that breaks off is no whole answer."""

    def __init__(self, download: EvidenceDownload) -> None:
        # Starlette would add a charset to text, and nobody knows the file's.
        super().__init__(download.chunks(), headers=_headers(download.item))
        self._download = download

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; the store's stream is let go also when the client went away."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._download.close()


def _headers(item: Item) -> dict[str, str]:
    known = _MEDIA_TYPE.fullmatch(item.media_type) is not None
    digest = base64.b64encode(bytes.fromhex(item.content_hash)).decode()
    return {
        "Content-Type": item.media_type if known else _UNKNOWN_TYPE,
        "Content-Length": str(item.size_bytes),
        "Content-Disposition": attachment(item.file_name),
        "ETag": f'"{item.content_hash}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        # The hash is of all bytes: a part of them could not be checked.
        "Accept-Ranges": "none",
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
