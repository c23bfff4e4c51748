"""The demo of the way back does what it says: every customer's state is compared, and the account adds up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import orjson
import pytest
from adobe_customers import CustomersOracle
from aiokafka.partitioner import DefaultPartitioner
from checkout import ROOT
from json_output import json_of

from bridge.demo.activation import CART, MOST_PROFILES, NAMESPACE, VIP, Activation
from bridge.model.event import MOST
from bridge.settings import AdobeSettings
from bridge.sources.adobe.decoder import AdobeDecoder
from bridge.testing.kafka.embedded import KEPT_BYTES, PARTITIONS


def run_demo(*options: str) -> subprocess.CompletedProcess[str]:
    """The command without a terminal; a setting of the caller's must not reach its parts."""
    return subprocess.run(
        [sys.executable, "-m", "bridge", "demo", "--return", *options],
        cwd=ROOT,
        env={**os.environ, "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=270,
        check=False,
    )


@pytest.mark.slow
def test_every_customer_is_right_at_the_end():
    """Joined, left and joined too late, MoEngage away for a while: each customer's attributes, audiences and purchases; none refused for the rate."""
    done = run_demo("--profiles", "400", "--away", "1", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    account = json_of(done)
    assert account["everybody_right"]
    assert {group["what"]: group["right"] for group in account["customers"]} == {
        f"Adobe: {CART}": 320,
        f"Adobe: {CART} and {VIP}": 40,
        f"Adobe: {VIP}": 40,
        "mParticle: attribute and purchases": 40,
    }
    assert account["profiles_posted"] == 400 + 80 + 40 + 20
    assert account["batches_posted"] == 80
    assert account["events"] >= 80
    assert account["user_elements"] >= 440
    assert account["refused_for_the_rate"] == 0


def test_two_stories_at_once_are_refused():
    """Usage: exit 2, and what to do."""
    done = run_demo("--routes")
    assert done.returncode == 2
    assert "--return and --routes" in done.stderr


def _profiles(bodies):
    return [profile for body in bodies for profile in orjson.loads(body)["profiles"]]


def test_what_is_wanted_is_what_the_messages_say():
    """An oracle that takes every message in order, audiences by their times, comes to the same; and so for other sizes."""
    for size in (100, 137, 1_000):
        activation, oracle = Activation(size), CustomersOracle()
        sent = _profiles([*activation.first_burst(), *activation.later_bursts()])
        for profile in sent:
            oracle.take(profile)
        wanted = {name: value for name, value in activation.wanted().items() if name.startswith("C-")}
        assert oracle.attributes() == wanted
        assert len(sent) == activation.messages()
        assert sum(len(orjson.loads(call)) for call in activation.mparticle()) == activation.batches


def test_it_never_sends_more_than_the_embedded_broker_keeps():
    """The largest activation fills no partition of the mock cluster, which forgets silently."""
    activation, decoder = Activation(MOST_PROFILES), AdobeDecoder(AdobeSettings(customer_id_namespace=NAMESPACE))
    (event,) = decoder.events_of(orjson.loads(next(activation.first_burst()))["profiles"][:1], MOST)
    # As long as any other: numbers have the same digits, but for the name's.
    size = len(decoder.encode(event)) + len(decoder.record_key(event)) + 110
    partitions, filled = list(range(PARTITIONS)), Counter()
    for body in (*activation.first_burst(), *activation.later_bursts()):
        for profile in orjson.loads(body)["profiles"]:
            key = profile["identityMap"][NAMESPACE][0]["id"].encode()
            filled[DefaultPartitioner()(key, partitions, partitions)] += size
    assert max(filled.values()) < KEPT_BYTES
