"""Whatever AEP and IMS answer, reading it raises nothing, gives as many verdicts as events, and dead-letters nobody unnamed."""

from __future__ import annotations

import math

import orjson
from hypothesis import given
from hypothesis import strategies as st

from bridge.destinations.aep.answers import read_answer
from bridge.destinations.aep.envelope import xdm_envelope
from bridge.destinations.aep.reasons import reason_of
from bridge.destinations.http.grants import LONGEST_LIFETIME, Granted, GrantRefused, Unavailable, read_grant
from bridge.destinations.http.reasons import LONGEST
from bridge.destinations.http.retry_after import LONGEST_RETRY_AFTER, retry_after
from bridge.model.verdicts import (
    ACCEPTED,
    AllAccepted,
    Answered,
    Misconfigured,
    Mismatched,
    Rejected,
    Throttled,
    TooLarge,
    Transient,
    Unauthorized,
    Unexplained,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
statuses = st.integers(100, 999)
codes = st.sampled_from([200, 400, 401, 403, 404, 408, 413, 422, 429, 500, 503, "400", "x", None, 7, 10**12])
items = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={"xactionId": json_values, "status": codes, "statusCode": codes, "message": json_values},
    ),
    json_values,
)
near_answers = st.fixed_dictionaries(
    {},
    optional={
        "responses": st.lists(items, max_size=6),
        "batchId": json_values,
        "report": json_values,
        "type": json_values,
    },
)
bodies = st.one_of(st.binary(), json_values.map(orjson.dumps), near_answers.map(orjson.dumps))
OUTCOMES = (AllAccepted, Answered, Mismatched, Misconfigured, Throttled, TooLarge, Transient, Unauthorized, Unexplained)


@given(status=statuses, body=bodies, count=st.integers(1, 6), header=st.none() | st.text())
def test_any_answer_is_read_without_raising(status, body, count, header):
    """Arbitrary bytes and JSON under any status give an outcome; verdicts are as many as events."""
    headers = {} if header is None else {"retry-after": header}
    outcome = read_answer(status, headers, body, count, now=0.0)
    assert isinstance(outcome, OUTCOMES)
    if isinstance(outcome, Answered):
        assert len(outcome.verdicts) == count
    reason = getattr(outcome, "reason", "")
    assert len(reason) <= LONGEST + 200
    assert reason.isprintable() or "\n" not in reason


@given(status=statuses, body=bodies, count=st.integers(1, 6))
def test_only_item_errors_reject(status, body, count):
    """A rejection comes from an item's own 4xx; whole-request answers never reject, and only 2xx accept."""
    outcome = read_answer(status, {}, body, count, now=0.0)
    if isinstance(outcome, AllAccepted | Answered):
        assert 200 <= status < 300
    if isinstance(outcome, Answered):
        for verdict in outcome.verdicts:
            assert not isinstance(verdict, Rejected) or verdict.code.startswith("aep_4")


@given(
    failed=st.lists(st.sampled_from([None, 400, 409, 422, 429, 500, 503]), min_size=1, max_size=40),
    documented=st.booleans(),
)
def test_verdicts_stand_where_the_items_stood(failed, documented):
    """In both shapes, each event gets the verdict of its own item."""
    stem = "1565638336649:1750:244:" if documented else "9341f8eb-494a-4c89-9879-4d06a58d2dc7-"
    responses = []
    for position, status in enumerate(failed):
        if status is None:
            responses.append({"xactionId": f"{stem}{position}"})
        elif documented:
            responses.append({"statusCode": status, "message": f"number {position}"})
        else:
            responses.append({"xactionId": f"{stem}{position}", "status": status, "message": f"number {position}"})
    outcome = read_answer(207, {}, orjson.dumps({"responses": responses}), len(failed), now=0.0)
    if not any(failed):
        assert outcome == AllAccepted()
        return
    assert isinstance(outcome, Answered)
    for position, (status, verdict) in enumerate(zip(failed, outcome.verdicts, strict=True)):
        if status is None:
            assert verdict is ACCEPTED
        else:
            assert verdict.reason.endswith(f"number {position}")
            assert isinstance(verdict, Rejected if status < 429 else Transient)


@given(
    answered=st.integers(0, 8),
    count=st.integers(1, 8),
    failed=st.booleans(),
    indexed=st.booleans(),
)
def test_as_many_responses_as_events_or_no_verdict(answered, count, failed, indexed):
    """However the items look, one too few or too many and nothing is concluded."""
    responses = [{"xactionId": f"1:2:3:{n}" if indexed else "9"} for n in range(answered)]
    if failed and responses:
        responses[-1]["status"] = 400
    outcome = read_answer(207, {}, orjson.dumps({"responses": responses}), count, now=0.0)
    assert isinstance(outcome, AllAccepted | Answered if answered == count else Mismatched)


@given(order=st.permutations(range(5)))
def test_any_reordering_of_indexed_items_is_noticed(order):
    """Responses that carry their index are accepted in order only."""
    responses = [{"xactionId": f"1:2:3:{index}"} for index in order]
    outcome = read_answer(207, {}, orjson.dumps({"responses": responses}), 5, now=0.0)
    assert isinstance(outcome, AllAccepted if list(order) == list(range(5)) else Mismatched)


@given(value=st.text() | st.floats().map(str), date=st.none() | st.text(), now=st.floats(0, 4e9))
def test_retry_after_is_bounded(value, date, now):
    """Never negative, never beyond the cap, never an exception."""
    seconds = retry_after({"retry-after": value} | ({} if date is None else {"date": date}), now=now)
    assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= LONGEST_RETRY_AFTER)


grants = st.fixed_dictionaries(
    {},
    optional={
        "access_token": json_values,
        "expires_in": json_values,
        "error": json_values,
        "error_description": json_values,
    },
)


@given(status=statuses, body=st.binary() | grants.map(orjson.dumps) | json_values.map(orjson.dumps))
def test_any_answer_of_ims_is_read_without_raising(status, body):
    """A token is granted only under 200, fit for a header, with a life between nothing and a day."""
    result = read_grant(status, {"retry-after": "3"}, body, now=0.0)
    assert isinstance(result, Granted | GrantRefused | Unavailable)
    if isinstance(result, Granted):
        assert status == 200
        assert 0 < result.lifetime <= LONGEST_LIFETIME
        assert result.token.isascii()
        assert result.token.isprintable()
        assert " " not in result.token


@given(document=json_values)
def test_reasons_are_bounded_whatever_the_document(document):
    """Any JSON gives a line of bounded length that UTF-8 can carry."""
    reason = reason_of(document)
    assert len(reason) <= LONGEST
    reason.encode()


@given(texts=st.lists(st.text(), min_size=1, max_size=5))
def test_envelope_keeps_events(texts):
    """Every event comes out of the batch body as it went in, and sizes add up."""
    envelope = xdm_envelope(
        schema_id="s", org_id="o", dataset_id="d", flow_id="f", source_name='n"', max_request_bytes=10**6
    )
    events = [{"_id": text} for text in texts]
    items = [envelope.encode(event) for event in events]
    body = envelope.batch(items)
    assert [message["body"]["xdmEntity"] for message in orjson.loads(body)["messages"]] == events
    assert len(body) == envelope.frame_bytes + sum(map(len, items)) + len(envelope.separator) * (len(items) - 1)
