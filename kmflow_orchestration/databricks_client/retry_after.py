"""What a `Retry-After` header asks for."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,9}")


def retry_after_s(header: str, now: datetime) -> float | None:
    """Seconds to stay away, from a number of them or a date; None when it does not say.

    Read by ourselves, because the SDK puts one second in the place of a header that is missing,
    which cannot be told from one that asks for it.
    """
    text = header.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
