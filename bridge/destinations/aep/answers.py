"""Reading the answers of the streaming collection API: status, headers and body in, an outcome out.

Never guesses and never raises. The classes, by the status table of Adobe's "Send multiple messages in a single HTTP
request", "Streaming validation" and the streaming OpenAPI description:

======================  ==============================================================================================
207, 200 with items     per item, matched by position and cross-checked with the index at the end of ``xactionId``
200 without items       accepted as a whole, if it is the collection service that speaks; anything else is a proxy
401, 403                ``Unauthorized``: the caller renews the token once before it believes it
413                     ``TooLarge``
429                     ``Throttled``; 503 too where it carries ``Retry-After``
500                     ``Transient(data_suspect=True)``: "Message payload schema not specified, or did not match"
408, 425, other 5xx     ``Transient``
404 and others that     ``Misconfigured``: the address, method or media type is wrong, not the data. So is a 400 that
speak of the request    names the organisation or the header, which the bridge writes itself, the same for every event
400, 409, 422, other    ``Unexplained``: one event may be the cause, so bisect
4xx
======================  ==============================================================================================

An item of a 207 is fine only if it carries neither ``status`` (today's service) nor ``statusCode`` (the documents), or a
2xx in it. Items with 408, 425, 429 or 5xx are ``Transient`` on their own. 401 and 403 are never a fault of the data:
``Unauthorized`` when every item says so, else those items are ``Transient``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bridge.destinations.aep.plain_answer import says_all_accepted
from bridge.destinations.aep.reasons import reason_of
from bridge.destinations.http.reasons import parse
from bridge.destinations.http.retry_after import retry_after
from bridge.model.verdicts import (
    ACCEPTED,
    AllAccepted,
    Answered,
    Misconfigured,
    Mismatched,
    Outcome,
    Rejected,
    Stage,
    Throttled,
    TooLarge,
    Transient,
    Unauthorized,
    Unexplained,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


_ALL_ACCEPTED = AllAccepted()
_PASSING = frozenset({408, 425})
_ABOUT_THE_REQUEST = frozenset({402, 404, 405, 406, 407, 410, 411, 414, 415, 417, 421, 426, 431, 451, 501, 505, 511})
_SIGNS = ("inletId", "xactionId", "batchId", "receivedTimeMs")
"""Keys of the collection service's own answers."""
_ERRORS = ("error", "errors", "error_code", "report")
"""Keys that what was taken does not have."""
_SUCCESSES = frozenset(map(str, range(200, 300)))
_GOOD_WORDS = frozenset({"success", "succeeded", "ok", "accepted", "pass"})

_INDEXED = re.compile(
    r"(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}-|\d+:\d+:\d+:)(\d{1,9})", flags=re.ASCII
)
"""The two forms whose last part is the position in the request: ``<uuid>-<n>`` and ``<batch id>:<n>``."""

_OUR_HEADER = re.compile(
    r"ims ?org|source name|'header'|message header|\bflow[ -]?id\b|\bdataset ?id\b"
    r"|\binlet\b.*(?:not found|does not exist|disabled)",
    flags=re.IGNORECASE,
)
"""Complaints about what the bridge writes itself, the same for every event."""

_OUR_ORGANISATION = re.compile(r"\bims org\b", flags=re.IGNORECASE)
"""In an item only this is beyond doubt: other complaints about a header are answered for single events too."""
_ABOUT_THE_REQUEST_EXEG = re.compile(r"EXEG-(?:0106|0107|0111)-")


def read_answer(status: int, headers: Mapping[str, str], body: bytes, count: int, *, now: float) -> Outcome:
    """What became of a request of ``count`` events.

    ``headers`` must find names in lower case; ``now`` is as for :func:`retry_after`.
    """
    if 200 <= status < 300:
        return _read_success(status, headers, body, count, now=now)
    if status == 413:
        return TooLarge()
    if status == 429:
        return Throttled(status, retry_after(headers, now=now))
    if status == 503 and (pause := retry_after(headers, now=now)) is not None:
        return Throttled(status, pause)
    said = reason_of(parse(body))
    reason = f"AEP answered {status}" + (f": {said}" if said else "")
    if status in (401, 403):
        return Unauthorized(reason)
    if 300 <= status < 400 or status in _ABOUT_THE_REQUEST:
        return Misconfigured(reason)
    if 400 <= status < 500 and status not in _PASSING:
        if _OUR_HEADER.search(said) or _ABOUT_THE_REQUEST_EXEG.search(said):
            return Misconfigured(reason)
        return Unexplained(f"aep_{status}", reason)
    return Transient(reason, data_suspect=status == 500)


def _read_success(status: int, headers: Mapping[str, str], body: bytes, count: int, *, now: float) -> Outcome:
    if says_all_accepted(body, count):
        return _ALL_ACCEPTED
    document = parse(body)
    if isinstance(document, dict):
        responses = document.get("responses")
        if isinstance(responses, list):
            return _read_items(responses, count)
        if "responses" in document:
            return Mismatched(f"the {status} has responses that are no list")
        if status != 207 and any(sign in document for sign in _SIGNS):
            return _read_whole(status, document, headers, body, count, now=now)
    if status == 207:
        return Mismatched("the 207 has no list of responses")
    return Transient(f"a {status} that is not the collection service's: does a proxy answer in its place?")


def _read_whole(
    status: int, document: Mapping[str, Any], headers: Mapping[str, str], body: bytes, count: int, *, now: float
) -> Outcome:
    """A 2xx of one verdict for all events, which is not always the one of its status line."""
    if not _tells_of_failure(document):
        return _ALL_ACCEPTED
    meant = _status(document)
    if meant is not None and not 200 <= meant < 300:
        return read_answer(meant, headers, body, count, now=now)
    return Mismatched(f"a {status} that tells of an error")


def _tells_of_failure(said: Mapping[str, Any]) -> bool:
    """Whether an answer, or an item of one, has a status that is no success, or the keys of an error."""
    if any(said.get(key) for key in _ERRORS):
        return True
    word = said.get("status", said.get("statusCode"))
    if word is None or (isinstance(word, str) and word.lower() in _GOOD_WORDS):
        return False
    status = _status(said)
    return status is None or not 200 <= status < 300


def _read_items(responses: Sequence[Any], count: int) -> Outcome:
    if len(responses) != count:
        return Mismatched(f"{count} events were sent, {len(responses)} responses came back")
    failures: list[tuple[int, int, dict[str, Any]]] = []
    for position, item in enumerate(responses):
        if not isinstance(item, dict):
            return Mismatched(f"response {position} is not an object")
        transaction = item.get("xactionId")
        # A request of one event leaves nothing to confuse, so that bisecting always ends with a verdict.
        if count > 1 and transaction is not None and _contradicts(transaction, position):
            return Mismatched(f"response {position} carries the index of another event")
        if "status" in item or "statusCode" in item:
            status = _status(item)
            if status is None:
                return Mismatched(f"response {position} has a status that is not a number")
            if not 200 <= status < 300:
                failures.append((position, status, item))
        elif transaction is None:
            return Mismatched(f"response {position} has neither a transaction nor a status")
        elif _tells_of_failure(item):
            return Mismatched(f"response {position} tells of an error without a status")
    return _judge(failures, count) if failures else _ALL_ACCEPTED


def _contradicts(transaction: Any, position: int) -> bool:
    if not isinstance(transaction, str):
        return False
    if transaction.endswith((f"-{position}", f":{position}")):
        return False
    found = _INDEXED.fullmatch(transaction)
    return found is not None and int(found.group(1)) != position


def _status(item: Mapping[str, Any]) -> int | None:
    """The status, from ``status`` or ``statusCode``; where both are there, the one that is a failure.

    A string of digits counts, as one documented shape quotes it.
    """
    value, code = item.get("status"), item.get("statusCode")
    if value is None or (code is not None and _is_success(value)):
        value = code
    if isinstance(value, str) and re.fullmatch(r"\d{3}", value, flags=re.ASCII):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_success(status: Any) -> bool:
    return str(status) in _SUCCESSES


def _judge(failures: Sequence[tuple[int, int, dict[str, Any]]], count: int) -> Outcome:
    said = [reason_of(item) for _, _, item in failures]
    if len(failures) == count:
        if all(status in (401, 403) for _, status, _ in failures):
            return Unauthorized(f"AEP answered {failures[0][1]} for every event: {said[0]}")
        # With one event accepted the organisation cannot be wrong; with none, it is the one that they all share.
        if all(
            400 <= status < 500 and _OUR_ORGANISATION.search(text)
            for (_, status, _), text in zip(failures, said, strict=True)
        ):
            return Misconfigured(f"AEP answered {failures[0][1]} for every event: {said[0]}")
    verdicts: list[Verdict] = [ACCEPTED] * count
    for (position, status, _), text in zip(failures, said, strict=True):
        verdicts[position] = _verdict(status, text)
    return Answered(verdicts)


def _verdict(status: int, said: str) -> Verdict:
    reason = f"AEP answered {status} for this event" + (f": {said}" if said else "")
    if 400 <= status < 500 and status not in _PASSING and status not in (401, 403, 429):
        return Rejected(Stage.DELIVER, f"aep_{status}", reason)
    return Transient(reason, data_suspect=status == 500)
