"""The worker's promises from outside, by name: a mock of AEP and IMS of its own, a foreign producer, a plain consumer.

Nothing of the bridge is imported: what is held here are settings, requests, headers, metrics and exit codes.
"""

from __future__ import annotations

import email.utils
import json
import time
import uuid
from collections import defaultdict
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from surroundings import INLET, ORG, SCHEMA, SECRET, Answer, Mock, Scene

from bridge.testing.kafka.stored_records import stored
from bridge.testing.processes import eventually, get

pytestmark = pytest.mark.kafka


def _event(number: int, **more: Any) -> dict[str, Any]:
    return {
        "event_name": "Email Sent",
        "event_code": "MOE_EMAIL_SENT",
        "event_uuid": f"u-{number}",
        "event_time": 1_763_000_000 + number,
        "uid": f"crm-{number % 20}",
        "email_id": f"person{number}@example.com",
        **more,
    }


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.fixture
def scene(kafka, topic, tmp_path):
    """Make scenes; their workers are ended."""
    made = []

    def make(mock: Mock, **settings: str) -> Scene:
        made.append(Scene(kafka, topic, tmp_path, mock, **settings))
        return made[-1]

    yield make
    for each in made:
        each.worker.stop(10)


def test_a_foreign_producers_records_by_the_contract(scene) -> None:
    """All envelopes, keyed or not, poison among them, in a compressed topic: request, letters, metrics and exit by name."""
    with Mock() as mock:
        s = scene(mock)
        envelope = {"app_name": "A", "moe_request_id": "r"}
        batch = {**envelope, "events": [_event(1), {"no": "event"}, _event(2, event_time="never"), _event(3)]}
        s.put(
            [
                (b"k", _json(_event(0))),
                (None, _json(batch)),
                (b"\xff", _json({"app_name": "A", "export_day": "1", "event": _event(4)})),
                (None, None),
                (None, b"\x00 no JSON"),
                (None, '{"event_code":"X","event_uuid":"u-5","event_time":5,"uid":"café"}'.encode("cp1252")),
            ]
        )
        s.worker.start()
        s.drained()
        assert sorted(mock.taken) == ["u-0", "u-1", "u-3", "u-4", "u-5"]

        [form] = [parse_qs(body.decode()) for body in mock.tokens]
        assert (form["grant_type"], form["client_id"], form["client_secret"]) == (
            ["client_credentials"],
            ["a-client"],
            [SECRET],
        )
        for _, path, headers, body in mock.requests:
            assert path == f"/collection/batch/{INLET}"
            assert headers["Authorization"] == "Bearer a-token"
            assert (headers["Content-Type"], headers["x-sandbox-name"]) == ("application/json", "prod")
            for message in json.loads(body)["messages"]:
                head = message["header"]
                assert (head["schemaRef"], head["imsOrgId"], head["flowId"]) == (SCHEMA, ORG, "a-flow")
                assert head["datasetId"] == "0123456789abcdef01234567"
                assert message["body"]["xdmMeta"] == {"schemaRef": SCHEMA}

        letters = s.letters()
        headers, key, value = letters["u-2"]
        assert (key, json.loads(value)) == (None, {**envelope, "events": [_event(2, event_time="never")]})
        assert set(headers) == {
            f"bridge.{name}"
            for name in [
                "stage",
                "code",
                "reason",
                "topic",
                "partition",
                "offset",
                "event_uuid",
                "mapping",
                "form",
                "route",
                "attempts",
                "failed_at",
                "route",
                "form",
            ]
        }
        assert (headers["bridge.route"], headers["bridge.form"]) == ("default", "event")
        assert (headers["bridge.stage"], headers["bridge.topic"]) == ("check", s.topic)
        # A letter is stored at least once.
        assert len({(one.value, dict(one.headers)["bridge.offset"]) for one in stored(s.kafka, s.dead)}) == 3

        metrics = s.worker.metrics()
        assert metrics["bridge_consumed_records_total"] == 6
        assert metrics["bridge_delivered_events_total"] == 5
        assert metrics['bridge_rejected_events_total{code="not_json",stage="decode"}'] == 1
        assert metrics['bridge_dead_letters_total{code="required_missing",stage="check"}'] == 1
        assert metrics['bridge_token_refreshes_total{result="ok"}'] == 1
        assert metrics['bridge_delivery_requests_total{status="207"}'] == len(mock.requests)
        lags = [f'bridge_kafka_lag{{partition="{number}",topic="{s.topic}"}}' for number in range(3)]
        eventually(lambda: [s.worker.metrics().get(lag) for lag in lags] == [0, 0, 0], within=15, what="lag is shown")
        told = s.worker.tail(100_000) + get(s.worker.url + "/metrics")[1]
        assert not [word for word in (SECRET, "a-token", "person", "crm-") if word in told]
        assert s.worker.stop(20) == 0


def test_guilty_events_alone_become_dead_letters(scene) -> None:
    """A 400 or 413 for a whole request, and items in both shapes of a 207: only the events meant are dead-lettered."""
    shapes = {
        "u-20": {"statusCode": 400, "message": "Message has unknown xdm format"},
        "u-40": {"xactionId": f"{uuid.uuid4()}-0", "status": 422, "message": "bad"},
    }

    def behave(ids: list[str], _request: web.Request) -> Answer:
        if "u-60" in ids:
            return web.json_response({"title": "Message is invalid", "status": 400}, status=400)
        if "u-80" in ids:
            return web.Response(status=413)
        # The index at the end of xactionId is the item's own.
        refused = {
            one: {**shapes[one], **({"xactionId": f"{uuid.uuid4()}-{place}"} if one == "u-40" else {})}
            for place, one in enumerate(ids)
            if one in shapes
        }
        return mock.answer(ids, refused)

    with Mock(behave) as mock:
        s = scene(mock)
        s.put((f"k-{number}".encode(), _json(_event(number))) for number in range(100))
        s.worker.start()
        s.drained()
        guilty = {"u-20": "aep_400", "u-40": "aep_422", "u-60": "aep_400", "u-80": "too_large"}
        assert sorted(mock.taken) == sorted({f"u-{number}" for number in range(100)} - set(guilty))
        letters = s.letters()
        assert {one: headers["bridge.code"] for one, (headers, *_) in letters.items()} == guilty
        for one, (headers, key, value) in letters.items():
            assert one is not None
            number = int(one.removeprefix("u-"))
            assert (headers["bridge.stage"], key, json.loads(value)) == (
                "deliver",
                f"k-{number}".encode(),
                _event(number),
            )
            assert int(headers["bridge.attempts"]) >= 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_holds_every_request(scene, form: str) -> None:
    """A 429 pauses all lanes for as long as it says, in seconds or as a date; nothing is lost or sent twice."""
    refused: list[float] = []

    def behave(_ids: list[str], _request: web.Request) -> Answer:
        if refused:
            return None
        refused.append(time.monotonic())
        wait = "3" if form == "seconds" else email.utils.formatdate(time.time() + 4, usegmt=True)
        return web.Response(status=429, headers={"Retry-After": wait})

    with Mock(behave) as mock:
        s = scene(mock, AEP__BATCH_EVENTS="10")
        s.put([(None, _json(_event(0)))])
        s.worker.start()
        throttled = 'bridge_retries_total{reason="throttled"}'
        eventually(
            lambda: s.worker.metrics().get(throttled), within=90, what="the worker has read the answer", every=0.02
        )
        # From here on it knows of the pause: what a lane sends too early is no request that was under way.
        s.put((None, _json(_event(number))) for number in range(1, 100))
        s.drained()
        assert min(at - refused[0] for at, *_ in mock.requests[1:]) > 2.5
        assert sorted(mock.taken) == sorted(f"u-{number}" for number in range(100))


def test_order_by_key_holds_over_failing_requests(scene) -> None:
    """With BRIDGE_AEP__ORDERING=key the events of a key are taken in order, whatever becomes of single requests."""
    count = 0

    def behave(ids: list[str], _request: web.Request) -> Answer:
        nonlocal count
        count += 1
        if count % 5 == 1:
            return web.Response(status=413) if len(ids) > 1 else None
        if count % 5 == 2:
            return web.json_response({"responses": []}, status=207)
        return web.Response(status=429, headers={"Retry-After": "0"}) if count % 5 == 3 else None

    with Mock(behave) as mock:
        s = scene(mock, AEP__ORDERING="key", AEP__BATCH_EVENTS="7", AEP__LINGER_SECONDS="0.02")
        s.put((f"k-{number % 20}".encode(), _json(_event(number))) for number in range(300))
        s.worker.start()
        s.drained()
        by_key = defaultdict(list)
        for one in mock.taken:
            number = int(one.removeprefix("u-"))
            by_key[number % 20].append(number)
        assert {key: numbers for key, numbers in by_key.items() if numbers != list(range(key, 300, 20))} == {}
        assert not s.letters()


def test_refused_credentials_hold_and_a_stop_commits_nothing(scene) -> None:
    """AEP says 403: alive, unready, held, one forced refresh; SIGTERM ends within the budget with 1 and nothing committed."""
    with Mock(lambda _ids, _request: web.Response(status=403)) as mock:
        s = scene(mock, WORKER__DRAIN_SECONDS="2")
        s.put((None, _json(_event(number))) for number in range(10))
        s.worker.start()
        eventually(lambda: s.worker.metric("bridge_delivery_held") == 1, within=90, what="delivery holds")
        status, body = get(s.worker.url + "/health/ready")
        assert (status, list(json.loads(body)["reasons"])) == (503, ["credentials"])
        assert get(s.worker.url + "/health/live")[0] == 200
        assert len(mock.tokens) >= 2
        s.worker.terminate()
        assert s.worker.wait(8) == 1
        assert sum(s.lag().values()) == 10
        assert not s.letters()
