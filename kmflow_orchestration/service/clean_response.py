"""Answers without secrets: the one class that every body of the service is made by (row C15)."""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse

from kmflow_orchestration.redaction import redacted


class CleanResponse(JSONResponse):
    """JSON in which a secret that got into a text shows as `***`."""

    def render(self, content: Any) -> bytes:
        return super().render(redacted(content))
