"""Every documented answer of the Data API, and some that are none of its own."""

from __future__ import annotations

import httpx
import orjson
import pytest

from bridge.destinations.moengage.answers import pause, read_answer
from bridge.model.verdicts import (
    AllAccepted,
    Misconfigured,
    Mismatched,
    Throttled,
    TooLarge,
    Transient,
    Unauthorized,
    Unexplained,
)

NOW = 1_790_000_000.0


def _read(status, document=None, headers=None):
    body = document if isinstance(document, bytes) else b"" if document is None else orjson.dumps(document)
    return read_answer(status, httpx.Headers(headers or {}), body, now=NOW)


def _fail(kind, message="words", **more):
    return {"status": "fail", "error": {"type": kind, "message": message, "request_id": "x", **more}}


@pytest.mark.parametrize(
    ("status", "document", "outcome"),
    [
        (200, {"status": "success", "message": "accepted", "request_id": "kX"}, AllAccepted),
        (200, {"status": "success"}, AllAccepted),
        (202, {"status": "Success"}, AllAccepted),
        (200, _fail("MissingAttributeError"), Unexplained),
        (200, {"status": "FAILURE", "error_type": "ValueError", "message": "m"}, Unexplained),
        (200, _fail("ServerError"), Transient),
        (200, _fail("RateLimitError", "Rate limit exceeded"), Throttled),
        (200, _fail("Authentication required"), Misconfigured),
        (200, {"message": "hello"}, Mismatched),
        (200, {"status": 1}, Mismatched),
        (200, b"<html>", Transient),
        (200, None, Transient),
        (400, _fail("MissingAttributeError", "customer_id is not found in the payload"), Unexplained),
        (400, _fail("ArrayFieldError", "Cannot add and remove 'x' at the same time"), Unexplained),
        (400, _fail("AttributeError"), Unexplained),
        (400, _fail("ValueError"), Unexplained),
        (400, b"not json", Unexplained),
        (422, None, Unexplained),
        (400, _fail("InvalidParams", "Given app_id is invalid."), Misconfigured),
        (400, _fail("ParamsRequired", "app_id is required in path/query params."), Misconfigured),
        (400, _fail("Blacklisted", "Your account is blacklisted, Please contact MoEngage."), Misconfigured),
        (400, _fail("Missing header value", "The Content-Type Header is required"), Misconfigured),
        (401, _fail("Authentication required", "App Secret key mismatch."), Unauthorized),
        (401, None, Unauthorized),
        (403, _fail("BlockedClient"), Unauthorized),
        (403, _fail("Account Temporarily Suspended"), Unauthorized),
        (403, {"error": "IP Validation Required", "message": "IP Validation Failed."}, Unauthorized),
        (409, _fail("Authentication Mismatch"), Unauthorized),
        (404, None, Misconfigured),
        (405, None, Misconfigured),
        (415, _fail("MediaTypeError"), Misconfigured),
        (302, None, Misconfigured),
        (413, _fail("PayloadTooLarge"), TooLarge),
        (429, {"status": "fail", "title": "Rate Limits Exceeded", "description": "d"}, Throttled),
        (503, None, Transient),
        (500, {"status": "fail", "title": "ServerError", "description": "d"}, Transient),
        (408, None, Transient),
        (529, None, Transient),
    ],
)
def test_each_answer_has_its_class(status, document, outcome) -> None:
    """What holds, what is sent again, what is split, and what becomes a dead letter."""
    assert isinstance(_read(status, document), outcome)


def test_words_say_type_message_and_attribute() -> None:
    """A dead letter tells what MoEngage told."""
    told = _read(400, _fail("MissingAttributeError", "customer_id is  not\nfound", attribute="customer_id"))
    assert told.code == "moengage_MissingAttributeError"
    assert told.reason == "MoEngage answered 400: MissingAttributeError: customer_id is not found (customer_id)"
    assert _read(400, _fail("Odd type; rm -rf")).code == "moengage_400"


def test_401_names_the_data_centre() -> None:
    """The wrong one answers so, and the key looks right."""
    assert "BRIDGE_MOENGAGE__DATA_CENTER" in _read(401, None).reason


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "Mon, 21 Sep 2026 13:33:30 GMT", "Date": "Mon, 21 Sep 2026 13:33:20 GMT"}, 10.0),
        ({"x-ratelimit-reset": "30"}, 30.0),
        ({"x-ratelimit-reset": str(int(NOW) + 12)}, 12.0),
        ({"x-ratelimit-reset": "1790000100", "Date": "Mon, 21 Sep 2026 14:13:20 GMT"}, 100.0),
        ({"x-ratelimit-reset": str(int(NOW) - 5)}, 0.0),
        ({"x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-reset": "nan"}, None),
        ({"Retry-After": "later", "x-ratelimit-reset": "4"}, 4.0),
        ({"Retry-After": "9e9"}, 3600.0),
    ],
)
def test_both_forms_of_the_pause(headers, seconds) -> None:
    """Seconds left and seconds since 1970 are told apart by their size; a date counts from the answer's own."""
    assert pause(httpx.Headers(headers), now=NOW) == seconds


def test_503_with_a_pause_is_throttling() -> None:
    """Without one it is an outage."""
    assert _read(503, None, {"Retry-After": "3"}) == Throttled(503, 3.0)
    assert _read(429, None, {"x-ratelimit-reset": "3"}) == Throttled(429, 3.0)
