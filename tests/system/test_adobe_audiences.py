"""Audiences of Adobe on a real Kafka: every customer's list is right after kills, rebalances, messages out of order, and refusals."""

from __future__ import annotations

import json

import httpx
import pytest
from adobe_customers import AdobeProfiles, CustomersOracle

from bridge.testing.processes import eventually, get
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


@pytest.fixture
def directory(tmp_path):
    """Where bridge.toml lies."""
    return tmp_path


def _post(route, oracle, profiles):
    def taken():
        answer = httpx.post(route.streams, json={"profiles": profiles}, headers=_AUTH, timeout=30, trust_env=False)
        # What a busy Kafka has not confirmed in time is sent again, as Adobe does.
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200

    eventually(taken, within=60, what="the profiles are taken", every=1.0)
    for profile in profiles:
        oracle.take(profile)


def _segments(route, customer):
    status, body = get(f"{route.emulator.address}/received?customer={customer}")
    # Whoever has not arrived yet is no such user.
    return json.loads(body)["attributes"].get("AEPSegments") if status == 200 else None


def _are_right(route, oracle):
    wanted = oracle.lists()
    return {customer: _segments(route, customer) for customer in wanted} == wanted


@pytest.mark.slow(40)
def test_lists_are_right_whatever_ends(kafka, topic, directory):
    """Two workers, one killed and started again and again while messages come, rebalances with it; then all anew, from the topic alone."""
    kinds = {"sources": {"copy": "adobe"}, "destinations": {"copy": "moengage"}}
    adobe, oracle = AdobeProfiles(7), CustomersOracle()
    # The topic of the state is named after it, and every test has its own.
    settings = _SETTINGS | {"BRIDGE_KAFKA__STATE_TOPIC": topic("state", partitions=1)}
    with RoutesRig(kafka, topic, directory, {"copy": settings}, partitions=4, **kinds) as rig:
        route = rig["copy"]
        rig.run("receiver").wait_ready()
        steady = rig.run("worker").wait_ready(60)
        for _ in range(3):
            doomed = rig.run("worker")
            for _ in range(12):
                _post(route, oracle, [adobe.draw() for _ in range(10)])
            doomed.wait_ready(60)
            for _ in range(6):
                _post(route, oracle, [adobe.draw() for _ in range(10)])
            doomed.kill9()
        route.wait_drained(90)
        eventually(lambda: _are_right(route, oracle), within=30, what="every list is right")
        steady.kill9()
        # Whoever comes now knows only what lies in the topic of the state.
        for customer in list(oracle.lists()):
            _post(route, oracle, [adobe.draw(customer, {"F": "realized"})])
        heir = rig.run("worker").wait_ready(60)
        eventually(lambda: _are_right(route, oracle), within=60, what="every list has grown by one")
        known = len(oracle.lists())
        eventually(lambda: heir.metric("bridge_state_keys") == known, within=20, what="the state of all is shown")
        assert route.letters() == []
