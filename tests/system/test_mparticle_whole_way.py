"""From mParticle to MoEngage on a real Kafka: by the receiver, and from the topic that mParticle's Kafka output writes itself."""

from __future__ import annotations

import orjson
import pytest
from confluent_kafka import Producer
from mparticle_table import TABLE, commerce_batch

from bridge.testing.processes import eventually
from bridge.testing.rig import RoutesRig

pytestmark = pytest.mark.kafka

_SETTINGS = {"BRIDGE_KAFKA__CREATE_TOPICS": "true", "BRIDGE_MOENGAGE__OBJECTS": "true"}
_CHANGED = {"event_type": "user_attribute_change", "data": {"user_attribute_name": "tier", "new": "gold", "old": None}}


@pytest.fixture
def directory(tmp_path):
    """Where bridge.toml lies."""
    return tmp_path


def _written(route, *batches):
    """As the Kafka output writes: batches without a key of ours."""
    producer = Producer({"bootstrap.servers": route.bootstrap})
    for batch in batches:
        producer.produce(route.topic, orjson.dumps(batch))
    assert producer.flush(20) == 0


def _of(route, customer):
    return route.emulator.received(customer=customer)


def test_each_commerce_event_of_the_table_reaches_moengage(kafka, topic, directory):
    """Posted in one batch and written into the topic: every example of MoEngage's table is stored as the table says, in order."""
    kinds = {"sources": {"shop": "mparticle"}, "destinations": {"shop": "moengage"}}
    with RoutesRig(kafka, topic, directory, {"shop": _SETTINGS}, partitions=3, **kinds) as rig:
        route = rig["shop"]
        rig.receiver()
        rig.worker()
        examples = list(TABLE.values())
        answer = route.post([commerce_batch("C-posted", *examples), {}])
        assert (answer.status_code, answer.json()["events"]) == (200, len(examples))
        who = {"user_identities": {"customerid": "C-posted"}}
        assert route.post({**who, "user_attributes": {"$FirstName": "Zoë"}, "events": [_CHANGED]}).status_code == 200
        nobody = route.post({"mpid": 5, "user_attributes": {"tier": "gold"}})
        assert nobody.status_code == 200, nobody.text
        _written(route, commerce_batch("C-written", *examples), {**who, "deleted_user_attributes": ["note"]})
        eventually(lambda: route.emulator.received()["actions"] >= 2 * len(examples), within=60, what="all events came")
        route.wait_drained()
        for customer in ("C-posted", "C-written"):
            stored = [
                {"action": event["action"], "attributes": event["attributes"]}
                | {name: event[name] for name in ("user_time",) if name in event}
                for event in _of(route, customer)["events"]
            ]
            assert stored == [example.action for example in examples]
        assert _of(route, "C-posted")["attributes"] == {"first_name": "Zoë", "tier": "gold", "note": ""}
        (letter,) = eventually(route.distinct_letters, within=30, what="who has no customer id is a dead letter")
        assert letter.headers["bridge.route"] == "shop"
        shown = route.emulator.received()
        assert (shown["repeated_actions"], shown["ignored"]) == (0, {})
