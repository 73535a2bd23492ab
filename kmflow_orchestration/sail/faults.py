"""What can go wrong with the embedded engine."""

from __future__ import annotations

from kmflow_orchestration.errors import RemoteFault, StatementFailed


class SailError(StatementFailed):
    """A statement failed; the message is Sail's own text, without Databricks' error classes."""

    code = "KM-REMOTE-008"


class SailCancelled(SailError):
    """Somebody cancelled the statement."""

    code = "KM-REMOTE-010"


class SailUnavailable(RemoteFault):
    """The server is gone or did not start; a new one may be started."""

    code = "KM-REMOTE-009"
