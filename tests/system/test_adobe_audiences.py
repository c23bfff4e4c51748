"""Audiences of Adobe on a real Kafka: every customer's list is right after kills, rebalances, messages out of order, and refusals."""

from __future__ import annotations

from random import Random

import httpx
import pytest

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
_CUSTOMERS = 60
_AUDIENCES = tuple("ABCDEF")


class Adobe:
    """Writes messages about audiences, and knows what each customer's list must be: the later time counts, then the later message."""

    def __init__(self, seed):
        self._random = Random(seed)
        self._known = {}
        self._minute = 0

    def profile(self, customer=None, said=None):
        """One raw profile with some of its audiences, now and then with none."""
        draw = self._random
        customer = f"C-{draw.randrange(_CUSTOMERS)}" if customer is None else customer
        self._minute += 1
        membership = {}
        for name in draw.sample(_AUDIENCES, draw.choice((0, 1, 1, 2, 3))) if said is None else said:
            minute = self._minute - draw.randrange(30)
            status = draw.choice(("realized", "realized", "exited")) if said is None else said[name]
            moment = max(0, minute) if said is None else self._minute
            at = f"2026-10-{1 + moment // 1440:02}T{moment // 60 % 24:02}:{moment % 60:02}:00Z"
            membership[f"00000000-0000-4000-8000-00000000000{name}"] = {
                "status": status,
                "name": f"Audience {name}",
                "lastQualificationTime": at,
            }
            known = self._known.setdefault(customer, {})
            if name not in known or moment >= known[name][0]:
                known[name] = moment, status
        return {
            "person": {"name": {"firstName": "Zoë"}},
            "identityMap": {"crmId": [{"id": customer}]},
            **({"segmentMembership": {"ups": membership}} if membership else {}),
        }

    def lists(self):
        """Customer -> names."""
        return {
            customer: sorted(f"Audience {name}" for name, (_, status) in known.items() if status == "realized")
            for customer, known in self._known.items()
        }


@pytest.fixture
def directory(tmp_path):
    """Where bridge.toml lies."""
    return tmp_path


def _post(route, profiles):
    answer = httpx.post(route.streams, json={"profiles": profiles}, headers=_AUTH, timeout=30, trust_env=False)
    assert answer.status_code == 200, answer.text


def _segments(route, customer):
    return route.emulator.received(customer=customer)["attributes"].get("AEPSegments")


def _are_right(route, adobe):
    wanted = adobe.lists()
    return {customer: _segments(route, customer) for customer in wanted} == wanted


def test_lists_are_right_whatever_ends(kafka, topic, directory):
    """Two workers, one killed and started again and again while messages come, rebalances with it; then all anew, from the topic alone."""
    kinds = {"sources": {"copy": "adobe"}, "destinations": {"copy": "moengage"}}
    adobe = Adobe(7)
    # The topic of the state is named after it, and every test has its own.
    settings = _SETTINGS | {"BRIDGE_KAFKA__STATE_TOPIC": topic("state", partitions=1)}
    with RoutesRig(kafka, topic, directory, {"copy": settings}, partitions=4, **kinds) as rig:
        route = rig["copy"]
        rig.run("receiver").wait_ready()
        steady = rig.run("worker").wait_ready(60)
        for _ in range(3):
            doomed = rig.run("worker")
            for _ in range(12):
                _post(route, [adobe.profile() for _ in range(10)])
            doomed.wait_ready(60)
            for _ in range(6):
                _post(route, [adobe.profile() for _ in range(10)])
            doomed.kill9()
        eventually(lambda: steady.metric("bridge_kafka_lag") == 0, within=90, what="all is committed")
        eventually(lambda: _are_right(route, adobe), within=30, what="every list is right")
        steady.kill9()
        # Whoever comes now knows only what lies in the topic of the state.
        for customer in list(adobe.lists()):
            _post(route, [adobe.profile(customer, {"F": "realized"})])
        heir = rig.run("worker").wait_ready(60)
        eventually(lambda: _are_right(route, adobe), within=60, what="every list has grown by one")
        assert heir.metric("bridge_state_keys") == len(adobe.lists())
        assert route.letters() == []
