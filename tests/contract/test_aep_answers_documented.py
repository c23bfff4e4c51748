"""AEP's answers as Adobe's documents and Adobe's own clients show them, read into verdicts."""

from __future__ import annotations

import orjson
import pytest

from bridge.destinations.aep.answers import read_answer
from bridge.model.verdicts import (
    Accepted,
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
)

INLET = "9b0cb233972f3b0092992284c7353f5eead496218e8441a79b25e9421ea127f5"

# "Send multiple messages in a single HTTP request": a batch without failures.
DOCUMENTED_SUCCESS = {
    "inletId": INLET,
    "batchId": "1565628583792:1485:153",
    "receivedTimeMs": 1565628583854,
    "responses": [{"xactionId": "1565628583792:1485:153:0"}, {"xactionId": "1565628583792:1485:153:1"}],
}
# The same page: one success and three failures, for a request of five messages.
DOCUMENTED_FAILURES = {
    "inletId": INLET,
    "batchId": "1565638336649:1750:244",
    "receivedTimeMs": 1565638336705,
    "responses": [
        {"xactionId": "1565650704337:2124:92:3"},
        {
            "statusCode": 400,
            "message": f"inletId: [{INLET}] imsOrgId: [A@AdobeOrg] Message has unknown xdm format",
        },
        {
            "statusCode": 400,
            "message": f"inletId: [{INLET}] imsOrgId: [A@AdobeOrg] Message has an absent or wrong ims org in the header",
        },
        {
            "statusCode": 400,
            "message": f"inletId: [{INLET}] imsOrgId: [A@AdobeOrg] Message has unknown xdm format",
        },
    ],
}
# Adobe's Kafka sink, test resources: what the service answers today.
CURRENT_FAILURES = {
    "inletId": INLET,
    "batchId": "1565638336649:1750:244",
    "receivedTimeMs": 1565638336705,
    "responses": [
        {
            "xactionId": "9341f8eb-494a-4c89-9879-4d06a58d2dc7-0",
            "status": 400,
            "message": "The 'header' field is mandatory. Provide a valid 'header' value and try again.",
        },
        {"xactionId": "9341f8eb-494a-4c89-9879-4d06a58d2dc7-1"},
    ],
}


def read(status: int, document: object = None, count: int = 2, **headers: str) -> Outcome:
    """The outcome of a request of ``count`` events."""
    body = document if isinstance(document, bytes) else b"" if document is None else orjson.dumps(document)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_answer(status, named, body, count, now=1_700_000_000.0)


def test_documented_success_accepts_every_event():
    """The documented 207 without failures accepts all."""
    assert read(207, DOCUMENTED_SUCCESS) == AllAccepted()


def test_documented_failures_with_a_response_missing_are_not_guessed():
    """Adobe's sample answers five messages with four responses: nothing is concluded from it."""
    assert isinstance(read(207, DOCUMENTED_FAILURES, count=5), Mismatched)


def test_documented_failures_with_a_contradicting_index_are_not_guessed():
    """The same sample's first response ends in :3: with as many responses as events it still contradicts."""
    assert isinstance(read(207, DOCUMENTED_FAILURES, count=4), Mismatched)


def test_documented_shape_of_failed_items():
    """The keys statusCode and message without xactionId: rejected, the reason without inlet and organisation."""
    responses = [{"xactionId": "1565650704337:2124:92:0"}, *DOCUMENTED_FAILURES["responses"][1:]]
    outcome = read(207, DOCUMENTED_FAILURES | {"responses": responses}, count=4)
    assert isinstance(outcome, Answered)
    assert isinstance(outcome.verdicts[0], Accepted)
    assert outcome.verdicts[1] == Rejected(
        Stage.DELIVER, "aep_400", "AEP answered 400 for this event: Message has unknown xdm format"
    )
    assert all(INLET not in verdict.reason for verdict in outcome.verdicts[1:])


def test_current_shape_of_failed_items():
    """status, message and xactionId ending in -n: rejected at that position."""
    outcome = read(207, CURRENT_FAILURES)
    assert isinstance(outcome, Answered)
    assert [type(verdict) for verdict in outcome.verdicts] == [Rejected, Accepted]
    assert "'header' field is mandatory" in outcome.verdicts[0].reason


def test_wrong_org_for_every_event_is_the_bridges_set_up():
    """All events refused for a header that they share: hold, do not dead-letter them all."""
    wrong = {"statusCode": 400, "message": "Message has an absent or wrong ims org in the header"}
    assert isinstance(read(207, {"responses": [wrong, wrong]}), Misconfigured)


def test_single_answer_without_items():
    """The documented 200 of the single endpoint accepts."""
    document = {
        "inletId": INLET,
        "xactionId": "1555445493896:8600:8",
        "receivedTimeMs": 1,
        "syncValidation": {"skipped": True},
    }
    assert read(200, document, count=1) == AllAccepted()


def test_inlet_problem_names_the_reason():
    """The documented 400 problem of the whole request: bisect, with the service's reason."""
    problem = {
        "type": "http://ns.adobe.com/adobecloud/problem/data-collection-service/inlet",
        "status": 400,
        "title": "Invalid XDM Message Format",
        "report": {"message": f"inletId: [{INLET}] imsOrgId: [A@AdobeOrg] Message is invalid"},
    }
    assert read(400, problem) == Unexplained("aep_400", "AEP answered 400: Message is invalid")


def test_wrong_org_problem_is_the_bridges_set_up():
    """A whole-request 400 about the organisation is no event's fault."""
    problem = {"status": 400, "report": {"message": "Message has an absent or wrong ims org in the header"}}
    assert isinstance(read(400, problem), Misconfigured)


def test_synchronous_validation_names_paths():
    """The violations of syncValidation reach the reason with their pointers."""
    problem = {
        "status": 400,
        "title": "Invalid XDM Message Format",
        "report": {
            "message": "3 schema violations found",
            "cause": {
                "_streamingValidation": [
                    {"pointerToViolation": "#/a", "keyword": "type", "message": "expected type: String, found: Long"}
                ]
            },
        },
    }
    outcome = read(400, problem)
    assert isinstance(outcome, Unexplained)
    assert outcome.reason.endswith("3 schema violations found; #/a expected type: String, found: Long")


def test_authorization_problem():
    """The documented 401, whose status is a string."""
    problem = {
        "type": "https://ns.adobe.com/adobecloud/problem/data-collection-service-authorization",
        "status": "401",
        "title": "Authorization",
        "report": {"message": "[id] Ims service token is empty"},
    }
    assert read(401, problem) == Unauthorized("AEP answered 401: [id] Ims service token is empty")


def test_gateway_error():
    """The gateway's error_code and message."""
    assert read(403, {"error_code": "403010", "message": "Oauth token is missing"}) == Unauthorized(
        "AEP answered 403: 403010: Oauth token is missing"
    )


def test_edge_problem():
    """An RFC 7807 problem of the Edge gateway keeps its EXEG code."""
    problem = {"type": "https://ns.adobe.com/aep/errors/EXEG-0103-400", "title": "Missing field", "detail": "no body"}
    assert read(400, problem) == Unexplained("aep_400", "AEP answered 400: EXEG-0103-400: no body")


def test_edge_problem_about_the_content_type_is_the_bridges_set_up():
    """EXEG-0106 speaks of the request, not of an event."""
    problem = {"type": "https://ns.adobe.com/aep/errors/EXEG-0106-400", "title": "Content type"}
    assert isinstance(read(400, problem), Misconfigured)


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (401, {}, Unauthorized),
        (403, {}, Unauthorized),
        (404, {}, Misconfigured),
        (413, {}, TooLarge),
        (429, {}, Throttled),
        (500, {}, Transient),
        (501, {}, Misconfigured),
        (502, {}, Transient),
        (503, {}, Transient),
        (503, {"retry_after": "2"}, Throttled),
        (504, {}, Transient),
        (400, {}, Unexplained),
        (422, {}, Unexplained),
        (418, {}, Unexplained),
        (408, {}, Transient),
        (302, {}, Misconfigured),
        (405, {}, Misconfigured),
        (415, {}, Misconfigured),
    ],
)
def test_status_table(status, headers, kind):
    """Each status without a body has its class."""
    assert type(read(status, **headers)) is kind


def test_500_may_be_the_datas_fault():
    """The documents use 500 for a schema that does not match too: the outcome says so, a 503 does not."""
    assert read(500) == Transient("AEP answered 500", data_suspect=True)
    assert read(503) == Transient("AEP answered 503")


@pytest.mark.parametrize(("retry_after", "seconds"), [("2", 2.0), ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0)])
def test_retry_after_in_both_forms(retry_after, seconds):
    """Seconds and an HTTP date give the same kind of pause."""
    assert read(429, retry_after=retry_after) == Throttled(429, seconds)
    assert read(503, retry_after=retry_after) == Throttled(503, seconds)
