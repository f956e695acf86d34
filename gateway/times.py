"""Nanoseconds since 1970 UTC <-> ISO-8601 text in UTC with milliseconds. Pure: the clock is the caller's."""

import re
import time
from datetime import datetime, timedelta, timezone

from gateway.errors import ApiError

SECOND_NS, MILLISECOND_NS = 1_000_000_000, 1_000_000
#: Of what is sent out; what comes in may have another offset and up to nine places of a second.
PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$"
_matched = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)\Z", re.ASCII).match
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_last_second = (-1, "")  # the clock's second as text: nearly every time told is of this one


def text_of_ns(time_ns):
    """-> "2026-11-25T06:00:00.123Z"; the rest of a millisecond is cut off."""
    global _last_second
    second, rest_ns = divmod(time_ns, SECOND_NS)
    if _last_second[0] != second:
        _last_second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
    return "%s.%03dZ" % (_last_second[1], rest_ns // MILLISECOND_NS)


def ns_of_text(text, field):
    """-> nanoseconds, 1970 to 2261. Raises ApiError 422 for what is no such time, or has no offset from UTC."""
    match = _matched(text)
    if match is None:
        raise ApiError(422, "invalid_time", 'ISO-8601 with an offset, such as "2026-11-25T06:00:00.000Z"', field)
    whole, fraction, offset = match.groups()
    try:
        since = datetime.fromisoformat(whole + ("+00:00" if offset == "Z" else offset)) - _EPOCH
    except (ValueError, OverflowError):
        raise ApiError(422, "invalid_time", "there is no such date or time", field) from None
    time_ns = since // timedelta(seconds=1) * SECOND_NS + int((fraction or "0").ljust(9, "0"))
    if not 0 <= time_ns < 2**63:
        raise ApiError(422, "invalid_time", "a time from 1970 to 2261", field)
    return time_ns


def text_of_datetime(time):
    """Of a datetime in UTC, as the database gives it."""
    return time.isoformat(timespec="milliseconds")[:23] + "Z"


def datetime_of_ns(time_ns):
    """-> datetime in UTC, cut to microseconds as the database's are."""
    return _EPOCH + timedelta(microseconds=time_ns // 1_000)


def ns_of_datetime(time):
    return (time - _EPOCH) // timedelta(microseconds=1) * 1_000
