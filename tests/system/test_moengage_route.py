"""A route to MoEngage on a real Kafka: events posted to the receiver are users and events of the emulated workspace."""

from __future__ import annotations

import pytest
from moengage_copy import copying

from bridge.testing.numbered_events import batch
from bridge.testing.processes import eventually, get

pytestmark = pytest.mark.kafka


def _event(number, customer, **more):
    return {
        "event_name": "Email Opened",
        "event_code": "MOE_EMAIL_OPEN",
        "event_uuid": f"u-{number}",
        "event_time": 1_790_000_000 + number,
        "event_type": "CAMPAIGN_EVENT",
        "event_source": "MOENGAGE",
        "uid": customer,
        "email_id": f"{customer}@example.com",
        "event_attributes": {},
        "user_attributes": {"visits": number},
        "device_attributes": {},
    } | more


def _post(route, *events):
    answer = route.post(batch(events))
    assert answer.status_code == 200, answer.text


@pytest.fixture
def directory(tmp_path):
    """Where bridge.toml lies."""
    return tmp_path


def test_events_become_users_and_events(kafka, topic, directory):
    """Each event is an update of its user and an event; what MoEngage would refuse is a dead letter that names the rule."""
    with copying(kafka, topic, directory) as (rig, route):
        rig.receiver()
        worker = rig.worker()
        _post(route, *(_event(number, f"C-{number % 40}") for number in range(400)), _event(400, "guest"))
        eventually(lambda: route.emulator.received()["actions"] >= 400, within=60, what="every event is there")
        eventually(route.letters, within=30, what="the refused one is a dead letter")
        # Events and users of a request are counted apart, and an event twice where its request came twice.
        route.wait_drained()
        assert len(route.distinct_letters()) == 1
        assert route.letters()[0].headers["bridge.code"] == "customer_id_refused"
        shown = route.emulator.received(customers=1)
        assert shown["users"] == 40
        assert not shown["ignored"]
        # The last one of a customer in its order of arrival.
        for customer in (0, 17, 39):
            user = route.emulator.received(customer=f"C-{customer}")
            wanted = {"email": f"C-{customer}@example.com", "visits": 360 + customer, "tier": ""}
            assert user["attributes"] == wanted
        assert worker.metric("bridge_delivered_events_total") >= 800


def test_away_throttled_refused_and_rotated(kafka, topic, directory):
    """503, a shared 429, a key that was changed, a request that hangs up after it was processed: late, and nothing is lost."""
    with copying(kafka, topic, directory) as (rig, route):
        rig.receiver()
        worker = rig.run("worker", "--processes", "2").wait_ready(60)
        route.emulator.control(fail={"status": 503})
        _post(route, *(_event(number, f"C-{number % 30}") for number in range(300)))
        eventually(lambda: route.emulator.received()["requests"].get("503", 0) > 0, within=30, what="it was away")
        route.emulator.control(fail=None, reset={"when": "after", "probability": 0.2, "seconds": 8})
        eventually(lambda: route.emulator.received()["actions"] >= 300, within=60, what="all arrive")
        route.emulator.control(clear_faults=True, api_keys=["rotated"])
        _post(route, *(_event(number, f"C-{number % 30}") for number in range(300, 360)))
        eventually(lambda: worker.metric("bridge_delivery_held") > 0, within=30, what="delivery is held")
        eventually(
            lambda: "data center" in get(f"{worker.url}/health/ready")[1].replace("DATA_CENTER", "data center"),
            within=30,
            what="the parent has heard why",
        )
        (directory / "key").write_text("rotated", encoding="utf-8")
        newest = {f"C-{number}": 330 + number for number in range(30)}

        def shown():
            users = {name: route.emulator.received(customer=name) for name in newest}
            return {name: user["attributes"]["visits"] for name, user in users.items()}

        eventually(
            lambda: shown() == newest, within=60, what="the new key is read, and the last of each customer is there"
        )
        assert not route.letters()
        assert route.emulator.received()["users"] == 30


def test_one_guilty_element_among_others(kafka, topic, directory):
    """400 names no element: the request is halved until the guilty one is alone, with MoEngage's type and words."""
    with copying(kafka, topic, directory) as (rig, route):
        rig.receiver()
        rig.worker()
        route.emulator.control(refuse={"customer_ids": ["C-7"], "type": "ValueError", "message": "odd", "status": 200})
        _post(route, *(_event(number, f"C-{number}") for number in range(60)))
        eventually(lambda: route.emulator.received()["users"] == 59, within=60, what="all others arrive")
        # As many or more, since storing is at least once; both say the same of the one event.
        letters = eventually(lambda: len(found := route.letters()) >= 2 and found, within=30, what="its two elements")
        assert len({letter.said for letter in letters}) == 1
        assert {letter.headers["bridge.code"] for letter in letters} == {"moengage_ValueError"}
        assert "odd" in letters[0].headers["bridge.reason"]
