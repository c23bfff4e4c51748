"""Corners of reading AEP's answers."""

from __future__ import annotations

import orjson
import pytest

from bridge.destinations.aep.answers import read_answer
from bridge.destinations.aep.reasons import reason_of, tidy
from bridge.destinations.http.reasons import LONGEST
from bridge.destinations.http.retry_after import LONGEST_RETRY_AFTER, retry_after
from bridge.model.verdicts import (
    ACCEPTED,
    AllAccepted,
    Answered,
    Mismatched,
    Rejected,
    Stage,
    Throttled,
    TooLarge,
    Transient,
    Unauthorized,
    Unexplained,
)

UUID = "9341f8eb-494a-4c89-9879-4d06a58d2dc7"


def items(*responses, status=207):
    """The outcome of a request that got these items."""
    return read_answer(status, {}, orjson.dumps({"responses": responses}), len(responses), now=0.0)


def test_item_server_errors_are_retried_alone():
    """5xx and 429 inside a 207 concern that event only; a 500 may be its own fault."""
    outcome = items({"xactionId": f"{UUID}-0"}, {"status": 503}, {"statusCode": 429}, {"status": 500}, {"status": 408})
    assert isinstance(outcome, Answered)
    assert outcome.verdicts[0] is ACCEPTED
    assert outcome.verdicts[1:] == [
        Transient("AEP answered 503 for this event"),
        Transient("AEP answered 429 for this event"),
        Transient("AEP answered 500 for this event", data_suspect=True),
        Transient("AEP answered 408 for this event"),
    ]


def test_item_client_errors_are_rejected_by_code():
    """Any other 4xx is the event's."""
    outcome = items({"xactionId": f"{UUID}-0"}, {"status": "422", "message": "no"})
    assert outcome == Answered([ACCEPTED, Rejected(Stage.DELIVER, "aep_422", "AEP answered 422 for this event: no")])


def test_item_401_is_never_the_events_fault():
    """All 401: renew the token. Some: those wait."""
    assert isinstance(items({"status": 401}, {"status": 403}), Unauthorized)
    outcome = items({"xactionId": f"{UUID}-0"}, {"status": 401})
    assert isinstance(outcome, Answered)
    assert isinstance(outcome.verdicts[1], Transient)


@pytest.mark.parametrize("count", [1, 3])
def test_items_refused_for_their_header_are_dead_letters(count):
    """The documented item message about a header rejects the event, also when it is alone in its request."""
    outcome = items(*[{"status": 400, "message": "The 'header' field is mandatory."}] * count)
    assert isinstance(outcome, Answered)
    assert all(isinstance(verdict, Rejected) for verdict in outcome.verdicts)


def test_item_header_complaint_beside_an_accepted_event_is_that_events():
    """With a neighbour accepted, the shared header cannot be wrong."""
    outcome = items({"xactionId": f"{UUID}-0"}, {"status": 400, "message": "The 'header' field is mandatory."})
    assert isinstance(outcome, Answered)
    assert isinstance(outcome.verdicts[1], Rejected)


@pytest.mark.parametrize(
    "responses",
    [
        [{"xactionId": f"{UUID}-1"}, {"xactionId": f"{UUID}-0"}],
        [{"xactionId": "1:2:3:1"}, {"xactionId": "1:2:3:0"}],
        [{"xactionId": f"{UUID}-0"}, {"xactionId": f"{UUID}-11"}],
        [{"xactionId": f"{UUID}-0"}, None],
        [{"xactionId": f"{UUID}-0"}, {}],
        [{"xactionId": f"{UUID}-0"}, {"message": "a message alone"}],
        [{"xactionId": f"{UUID}-0"}, {"status": "bad"}],
        [{"xactionId": f"{UUID}-0"}, {"status": True}],
        [{"xactionId": f"{UUID}-0"}, {"status": None}],
    ],
)
def test_what_cannot_be_matched_is_not_guessed(responses):
    """Swapped indexes, items that are no objects, neither transaction nor status, unreadable statuses."""
    assert isinstance(items(*responses), Mismatched)


def test_identifiers_without_an_index_are_no_contradiction():
    """Transactions of single messages and bare UUIDs carry no position."""
    assert items({"xactionId": "1555445493896:8600:8"}, {"xactionId": UUID}, {"xactionId": 7}) == AllAccepted()


def test_an_index_in_a_request_of_one_event_decides_nothing():
    """Bisecting ends in requests of one event, which always get a verdict."""
    assert items({"xactionId": f"{UUID}-5"}) == AllAccepted()


def test_item_with_a_2xx_status_is_accepted():
    """A status that says success is success."""
    assert items({"xactionId": f"{UUID}-0", "status": 200}, {"statusCode": 201}) == AllAccepted()


def test_200_with_items_is_read_by_item():
    """The status line does not hide failed items."""
    assert isinstance(items({"xactionId": f"{UUID}-0"}, {"status": 400}, status=200), Answered)


@pytest.mark.parametrize("body", [b"", b"<html>Sign in</html>", b"{}", b'{"ok": true}', b"[]", b"null"])
def test_200_of_somebody_else_accepts_nothing(body):
    """A captive portal's 200 is an outage, not an acceptance."""
    assert isinstance(read_answer(200, {}, body, 1, now=0.0), Transient)


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'{"responses": {}}', b'{"responses": null, "batchId": "1"}'])
def test_207_without_readable_responses_is_mismatched(body):
    """A 207 whose responses cannot be read says nothing of any event."""
    assert isinstance(read_answer(207, {}, body, 1, now=0.0), Mismatched)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("-5", 0.0),
        ("0.5", 0.5),
        ("999999999", LONGEST_RETRY_AFTER),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:01:00 -0000", 60.0),
        ("Wed, 31 Dec 1969 23:00:00 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:01:00 GMT", None),
    ],
)
def test_retry_after_values(value, seconds):
    """Seconds, dates, nonsense, the past and the far future."""
    assert retry_after({} if value is None else {"retry-after": value}, now=0.0) == seconds


@pytest.mark.parametrize("now", [0.0, 1_000_000_000.0, 4_000_000_000.0])
def test_a_date_to_come_back_at_counts_from_the_date_of_the_answer(now):
    """Our clock may be wrong by years: both dates are of the other side's clock. One that is unreadable is none."""
    headers = {"retry-after": "Sun, 09 Sep 2001 01:47:10 GMT", "date": "Sun, 09 Sep 2001 01:46:40 GMT"}
    assert retry_after(headers, now=now) == 30.0
    assert read_answer(429, headers, b"", 1, now=now) == Throttled(429, 30.0)
    assert retry_after(headers | {"date": "yesterday"}, now=1_000_000_010.0) == 20.0


def test_reasons_are_one_bounded_line_without_identifiers():
    """Inlet ids, tokens and control characters never reach a header of a dead letter or a log."""
    text = tidy(f"inletId: [{'f' * 64}] imsOrgId: [x]  bad\r\nthing {'0' * 64} Bearer abc eyJh.b.c " + "x" * 9000)
    assert text.startswith("bad thing […] […] […] xxx")
    assert len(text) == LONGEST
    assert "\n" not in text


@pytest.mark.parametrize(
    "document", [None, 5, [], {}, {"report": 3}, {"report": {"cause": {"_streamingValidation": 4}}}]
)
def test_documents_without_a_reason_give_none(document):
    """What says nothing gives an empty reason."""
    assert reason_of(document) == ""


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"xactionId": "x:1", "status": 400, "message": "no"}, Unexplained("aep_400", "AEP answered 400: no")),
        ({"statusCode": "503"}, Transient("AEP answered 503")),
        ({"status": 401, "title": "no"}, Unauthorized("AEP answered 401: no")),
        ({"status": 413}, TooLarge()),
        ({"error": "x", "message": "no"}, Mismatched("a 200 that tells of an error")),
        ({"errors": [{"message": "no"}]}, Mismatched("a 200 that tells of an error")),
        ({"report": {"message": "no"}}, Mismatched("a 200 that tells of an error")),
        ({"status": "failed"}, Mismatched("a 200 that tells of an error")),
        ({"status": False}, Mismatched("a 200 that tells of an error")),
        ({"responses": {}}, Mismatched("the 200 has responses that are no list")),
        ({"responses": None}, Mismatched("the 200 has responses that are no list")),
        ({"status": 200}, AllAccepted()),
        ({"status": "Success"}, AllAccepted()),
        ({"status": None}, AllAccepted()),
        ({"errors": []}, AllAccepted()),
        ({}, AllAccepted()),
    ],
)
def test_a_200_for_all_may_say_otherwise(said, outcome):
    """The collection service's own 200 is taken by the status that stands in it; one that tells of an error is no success."""
    assert read_answer(200, {}, orjson.dumps({"inletId": "i", **said}), 2, now=0.0) == outcome


@pytest.mark.parametrize("said", [{"error": "x"}, {"errors": ["x"]}, {"report": {"message": "no"}}])
def test_an_item_with_a_transaction_and_an_error_is_not_taken_for_accepted(said):
    """Which of the two holds cannot be told: it is sent again."""
    outcome = items({"xactionId": f"{UUID}-0"}, {"xactionId": f"{UUID}-1", **said})
    assert outcome == Mismatched("response 1 tells of an error without a status")


@pytest.mark.parametrize("said", [{"status": 200, "statusCode": 400}, {"status": 400, "statusCode": "200"}])
def test_of_two_statuses_of_an_item_the_failure_counts(said):
    """Both keys are documented; an item that is refused in one of them is refused."""
    outcome = items({"xactionId": f"{UUID}-0"}, said)
    assert outcome == Answered([ACCEPTED, Rejected(Stage.DELIVER, "aep_400", "AEP answered 400 for this event")])


def test_an_answer_with_a_byte_order_mark_is_read():
    """Some proxies put one there; sent again it would be the same."""
    answer = b"\xef\xbb\xbf" + orjson.dumps({"responses": [{"status": 400}, {"status": 201}]})
    assert isinstance(read_answer(207, {}, answer, 2, now=0.0), Answered)


def test_of_several_pauses_the_longest_counts():
    """A proxy's header beside the service's."""
    assert retry_after({"retry-after": "5, 9"}, now=0.0) == 9.0
