"""From Adobe's destinations to MoEngage on a real Kafka: what is posted to the receiver are users and events of the workspace."""

from __future__ import annotations

import httpx
import orjson
import pytest
from confluent_kafka import Producer

from bridge.testing.processes import eventually
from bridge.testing.rig import RoutesRig

pytestmark = pytest.mark.kafka

_AUTH = {"Authorization": "Bearer long-random-text"}
_SETTINGS = {
    "BRIDGE_KAFKA__CREATE_TOPICS": "true",
    "BRIDGE_ADOBE__CUSTOMER_ID_NAMESPACE": "crmId",
    "BRIDGE_RECEIVER__AUTH": "header",
    "BRIDGE_RECEIVER__HEADER_NAME": "Authorization",
    "BRIDGE_RECEIVER__HEADER_VALUE": _AUTH["Authorization"],
}


def _raw(number, customer, **more):
    """What the HTTP API destination posts."""
    return {
        "person": {"name": {"firstName": "Zoë", "lastName": f"Ng {number}"}, "birthDate": "1990-02-03"},
        "personalEmail": {"address": f"{customer}@example.com"},
        "identityMap": {"crmId": [{"id": customer}], "ecid": [{"id": f"{number:038}"}]},
        **more,
    }


@pytest.fixture
def directory(tmp_path):
    """Where bridge.toml lies."""
    return tmp_path


def _post(route, body):
    def told():
        answer = httpx.post(route.streams, json=body, headers=_AUTH, timeout=30, trust_env=False)
        # What a busy Kafka has not confirmed in time is sent again, as Adobe does.
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200 and answer.json()

    return eventually(told, within=60, what="the body is taken", every=1.0)


def test_profiles_and_events_become_users_and_events(kafka, topic, directory):
    """The newest state of each customer, events beside it, dead letters with a code; also what Adobe writes into the topic itself."""
    kinds = {"sources": {"copy": "adobe"}, "destinations": {"copy": "moengage"}}
    settings = _SETTINGS | {"BRIDGE_KAFKA__STATE_TOPIC": topic("state", partitions=1)}
    with RoutesRig(kafka, topic, directory, {"copy": settings}, partitions=3, **kinds) as rig:
        route = rig["copy"]
        rig.run("receiver").wait_ready()
        rig.worker()
        for first in range(0, 200, 10):
            told = _post(route, {"profiles": [_raw(number, f"C-{number % 40}") for number in range(first, first + 10)]})
            assert told == {"status": "ok", "events": 10, "dead_letters": 0}
        order = {
            "name": "Order placed",
            "customer": "C-7",
            "attributes": {"total": 20.5},
            "moe_project_name": "Shop EU",
            "time": "2026-11-02T08:15:30Z",
        }
        assert _post(route, order)["events"] == 1
        assert (
            _post(route, [_raw(900, "guest"), {"person": {}, "identityMap": {"ECID": [{"id": "1"}]}}])["dead_letters"]
            == 1
        )
        producer = Producer({"bootstrap.servers": kafka})
        producer.produce(route.topic, orjson.dumps(_raw(500, "C-500")))
        assert producer.flush(20) == 0
        eventually(lambda: route.emulator.received()["users"] == 41, within=60, what="all users are there")
        route.wait_drained()
        for customer in (0, 17, 39):
            assert route.emulator.received(customer=f"C-{customer}")["attributes"] == {
                "first_name": "Zoë",
                "last_name": f"Ng {160 + customer}",
                "email": f"C-{customer}@example.com",
                "birthday": "1990-02-03",
            }
        assert route.emulator.received(customer="C-500")["attributes"]["last_name"] == "Ng 500"
        codes = eventually(
            lambda: len(found := [each.headers["bridge.code"] for each in route.distinct_letters()]) == 2 and found,
            within=30,
            what="what cannot go on is kept",
        )
        assert sorted(codes) == ["anonymous_only", "customer_id_refused"]
        # A call that was sent again, and a delivery, may be there twice.
        events = route.emulator.received(customer="C-7")["events"]
        assert events
        for event in events:
            assert event["action"] == "Order placed"
            assert event["attributes"] == {"total": 20.5, "moe_project_name": "Shop EU"}


def _member(name, minute, *, is_member=True):
    at = f"2026-11-02T08:{minute:02}:30.000+0000"
    return {"status": "realized" if is_member else "exited", "lastQualificationTime": at, "name": name}


def test_lists_and_replayed_letters_join_what_is_known(kafka, topic, directory):
    """Added and removed names go by the time of receipt; what was a dead letter is joined under its customer's key once it is replayed."""
    with RoutesRig(
        kafka,
        topic,
        directory,
        {"crm": _SETTINGS},
        sources={"crm": "adobe"},
        destinations={"crm": "moengage"},
        partitions=5,
        BRIDGE_WORKER__DRAIN_SECONDS="5",
    ) as rig:
        route = rig["crm"]
        rig.receiver()
        rig.worker(within=60)

        def segments(customer):
            return route.emulator.received(customer=customer)["attributes"].get("AEPSegments")

        def said(customer, *others, **audiences):
            ids = [{"id": one} for one in (customer, *others)]
            return {"identityMap": {"crmId": ids}, "segmentMembership": {"ups": audiences}}

        customers = [f"C-{number}" for number in range(30)]
        _post(route, {"profiles": [said(each, vip=_member("VIP", 1), cart=_member("Cart", 1)) for each in customers]})
        lists = [
            {"identities": [{"type": "crmId", "id": each}], "AEPSegments": {"add": ["Sale"], "remove": []}}
            for each in customers
        ]
        _post(route, {"profiles": lists})
        # So many equal refusals of one body are a single letter of it.
        two = [said(each, f"{each}-old", cart=_member("Cart", 2, is_member=False)) for each in customers]
        assert _post(route, {"profiles": two})["dead_letters"] == 1
        eventually(lambda: route.emulator.received()["users"] == len(customers), within=60, what="all are there")
        eventually(lambda: segments("C-29") == ["Cart", "Sale", "VIP"], within=60, what="lists are joined")
        settings = (directory / "bridge.toml").read_text(encoding="utf-8")
        mended = settings.replace("[routes.crm.adobe]\n", '[routes.crm.adobe]\nseveral_ids = "first"\n')
        assert mended != settings
        (directory / "bridge.toml").write_text(mended, encoding="utf-8")
        replay = rig.run("deadletters", "replay", "--route", "crm", name="replay")
        assert replay.wait(60) == 0
        wanted = {each: ["Sale", "VIP"] for each in customers}
        eventually(
            lambda: {each: segments(each) for each in customers} == wanted, within=60, what="the letter is joined"
        )
