"""Reading the answers of the Data API: status, headers and body in, an outcome out. Never guesses and never raises.

By the tables of MoEngage's Data Overview (response codes) and Data OpenAPI description, the same for the bulk call and the single ones:

======================  ==============================================================================================
2xx                     by the body's ``status``: ``success`` is accepted; ``fail`` is judged as a 400 by its error's type,
                        since MoEngage answers 200 to what it has not taken; a body without either is none of MoEngage's
400                     about the data, which element is not said: ``Unexplained``, bisect. About us (app id, header,
                        a blacklisted account): ``Misconfigured``, hold
401                     ``Unauthorized``: wrong key, or the data centre of another workspace
403, 409                ``Unauthorized``: account suspended or blocked, address not allowed, key not set or of another app
413                     ``TooLarge``
429                     ``Throttled``; 503 too where it says how long
404, 405, 415, 3xx …    ``Misconfigured``: the address, method or media type is wrong, not the data
408, 425, 5xx           ``Transient``
======================  ==============================================================================================
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from bridge.destinations.http.reasons import parse, tidy
from bridge.destinations.http.retry_after import LONGEST_RETRY_AFTER, retry_after, seconds_since_1970
from bridge.model.verdicts import (
    AllAccepted,
    Misconfigured,
    Mismatched,
    Outcome,
    Throttled,
    TooLarge,
    Transient,
    Unauthorized,
    Unexplained,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

RELATIVE_BELOW: Final = 1_000_000.0
"""``x-ratelimit-reset`` below this is seconds left, from here on seconds since 1970: documents have both."""
_SUCCESS: Final = frozenset({"success"})
_FAILURE: Final = frozenset({"fail", "failure", "failed", "error"})
_PASSING: Final = frozenset({408, 425})
_ABOUT_THE_REQUEST: Final = frozenset(
    {402, 404, 405, 406, 407, 410, 411, 414, 415, 417, 421, 426, 431, 451, 501, 505, 511}
)
_OUR_TYPES: Final = re.compile(
    r"blacklisted|blockedclient|suspended|invalidparams|paramsrequired|authentication|mediatype", re.IGNORECASE
)
_OUR_WORDS: Final = re.compile(
    r"app[ _-]?(?:id|key|secret)\b|content-type header|account is (?:blacklisted|blocked|suspended)|project_code",
    re.IGNORECASE,
)
"""Complaints about what the bridge writes itself, the same for every element."""
_DATA_CENTRE: Final = "; the workspace may lie in another data centre: BRIDGE_MOENGAGE__DATA_CENTER"


def read_answer(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Outcome:
    """What became of a request. ``headers`` must find names in lower case; ``now`` in seconds since 1970."""
    if status == 413:
        return TooLarge()
    if status == 429:
        return Throttled(status, pause(headers, now=now))
    if status == 503 and (wait := pause(headers, now=now)) is not None:
        return Throttled(status, wait)
    document = parse(body)
    if 200 <= status < 300:
        return _read_success(status, document)
    kind, words = error_of(document)
    reason = f"MoEngage answered {status}" + (f": {words}" if words else "")
    if status == 401:
        return Unauthorized(reason + _DATA_CENTRE)
    if status in (403, 409):
        return Unauthorized(reason)
    if 300 <= status < 400 or status in _ABOUT_THE_REQUEST:
        return Misconfigured(reason)
    if 400 <= status < 500 and status not in _PASSING:
        return _about_the_data(kind, words, reason, f"moengage_{status}")
    return Transient(reason)


def _read_success(status: int, document: Any) -> Outcome:
    if not isinstance(document, dict):
        return Transient(f"a {status} that is not MoEngage's: does a proxy answer in its place?")
    said = document.get("status")
    word = said.strip().lower() if isinstance(said, str) else None
    if word in _SUCCESS:
        return AllAccepted()
    if word in _FAILURE:
        kind, words = error_of(document)
        if re.search(r"rate ?limit", f"{kind} {words}", re.IGNORECASE):
            return Throttled(429)
        reason = f"MoEngage answered {status} with status {word}" + (f": {words}" if words else "")
        if re.search(r"server ?error|internal", kind, re.IGNORECASE):
            return Transient(reason)
        return _about_the_data(kind, words, reason, "moengage_fail")
    return Mismatched(f"a {status} whose status is neither success nor fail")


def _about_the_data(kind: str, words: str, reason: str, code: str) -> Outcome:
    if _OUR_TYPES.search(kind) or _OUR_WORDS.search(words):
        return Misconfigured(reason)
    return Unexplained(f"moengage_{kind}" if re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,40}", kind) else code, reason)


def error_of(document: Any) -> tuple[str, str]:
    """Type and words of an error in any of the documented shapes; both "" where there is none."""
    if not isinstance(document, dict):
        return "", ""
    error = document.get("error")
    if isinstance(error, dict):
        kind, message, about = _text(error.get("type")), _text(error.get("message")), _text(error.get("attribute"))
    else:
        kind = _text(document.get("error_type") or document.get("title") or error)
        message, about = _text(document.get("message") or document.get("description")), ""
    words = ": ".join(part for part in (kind, message) if part) + (f" ({about})" if about else "")
    return kind, tidy(words)


def pause(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds to wait: ``Retry-After`` (seconds or a date), else ``x-ratelimit-reset`` (seconds left, or since 1970).

    Seconds since 1970 count from the answer's own ``Date``, so that two clocks need not agree; only without one from ``now``.
    """
    if (wait := retry_after(headers, now=now)) is not None:
        return wait
    try:
        seconds = float(headers.get("x-ratelimit-reset", ""))
    except ValueError:
        return None
    if seconds >= RELATIVE_BELOW:
        sent = seconds_since_1970(headers.get("date", ""))
        seconds -= now if sent is None else sent
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None


def _text(value: Any) -> str:
    return tidy(value) if isinstance(value, str) else ""
