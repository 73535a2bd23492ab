"""How long an API token is good: `30d`, `12h`, a last day, a moment, or `never`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from kmflow_orchestration.errors import InvalidSettings

NEVER = "never"
DEFAULT_EXPIRY = "90d"
_SPAN = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}


def parse_expiry(text: str, *, now: datetime) -> datetime | None:
    """The moment from which a token is refused; None for `never`.

    A date is the last day the token is good, in UTC; a moment without a zone is UTC.

    Raises:
        InvalidSettings: another form, or a time that is over.
    """
    wanted = text.strip().lower()
    if wanted == NEVER:
        return None
    moment = _moment(wanted, now)
    if moment is None:
        raise InvalidSettings(
            f"expires: {text!r} is no time",
            fields=("expires",),
            hint="30d, 12h, 2w, 2027-01-31 or never",
        )
    if moment <= now:
        raise InvalidSettings(f"expires: {text!r} is over already", fields=("expires",))
    return moment


def _moment(text: str, now: datetime) -> datetime | None:
    if span := _SPAN.fullmatch(text):
        return _later(now, timedelta(hours=int(span[1]) * _HOURS[span[2]]))
    try:
        return _later(
            datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC), timedelta(days=1)
        )
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else _in_utc(moment)


def _later(start: datetime, span: timedelta) -> datetime | None:
    try:
        return start + span
    except OverflowError:
        return None


def _in_utc(moment: datetime) -> datetime | None:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None
