"""The two fields without which there is no ExperienceEvent: ``_id`` and ``timestamp`` (adobe/xdm: experienceevent, time-series)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

match_plain_id: Final = re.compile(r"[A-Za-z0-9_.~-]+").fullmatch
"""Finds an ``_id`` that plainly is a URI reference, as nearly all are, without a call of ours."""

_URI_CHARACTER: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}|[^\x00-\x9f\s])"
_URI_REFERENCE: Final = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*:|(?![^/?#]*:))"  # a scheme, or no colon in the first segment (RFC 3986, 4.2)
    rf"(?://(?:{_URI_CHARACTER}*|(?:{_URI_CHARACTER}*@)?\[[0-9A-Fa-f:.]+\](?::[0-9]*)?)(?=[/?#]|$))?"
    rf"(?:{_URI_CHARACTER}|/)*"
    rf"(?:\?(?:{_URI_CHARACTER}|[/?])*)?"
    rf"(?:#(?:{_URI_CHARACTER}|[/?])*)?"
).fullmatch

_DATE_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
).fullmatch

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def is_uri_reference(text: str) -> bool:
    """Whether ``text`` has JSON schema's format ``uri-reference`` (RFC 3986), other scripts allowed as Java's URI does.

    The grammar lets the empty reference through; an ``_id`` must not be empty.
    """
    return match_plain_id(text) is not None or _URI_REFERENCE(text) is not None


def parse_date_time(text: str) -> datetime | None:
    """An instant in one of the shapes AEP's validator names, else None (ingestion/quality/retrieve-failed-batches).

    ``yyyy-MM-dd'T'HH:mm:ss``, a fraction of one to nine digits or none, then ``Z`` or an offset with its colon.
    """
    if _DATE_TIME(text) is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def is_before_epoch(moment: datetime) -> bool:
    """Whether an instant (aware) lies before 1970, which AEP does not take."""
    return moment.year < 1971 and moment < _EPOCH
