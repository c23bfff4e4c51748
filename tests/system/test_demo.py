"""The demo does what it says: every part real, and an account that adds up."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import orjson
import pytest
from aiokafka.partitioner import DefaultPartitioner
from json_output import json_of

from bridge.demo.traffic import BATCH_EVENTS, MOST_EVENTS, batches, poison, sample_events
from bridge.routes.mapping_opening import open_experience_events
from bridge.settings import MappingSettings
from bridge.sources.moengage.canonical import record_key
from bridge.sources.moengage.envelopes import events_of
from bridge.testing.kafka.embedded import KEPT_BYTES, PARTITIONS

ROOT = Path(__file__).parents[2]


def run_demo(*options: str) -> subprocess.CompletedProcess[str]:
    """A short demo without a terminal; a setting of the caller's must not reach its parts."""
    return subprocess.run(
        [sys.executable, "-m", "bridge", "demo", "--events", "600", "--rate", "1000", "--away", "1", *options],
        cwd=ROOT,
        env={**os.environ, "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=270,
        check=False,
    )


@pytest.mark.slow
def test_the_account_adds_up():
    """Received = delivered + dead-lettered, nothing twice, each poison among the dead letters, and what AEP refused later too."""
    done = run_demo("--json")
    assert done.returncode == 0, done.stderr
    account = json_of(done)
    assert account["nothing_lost"]
    assert (account["received"], account["delivered"], account["dead_lettered"]) == (604, 600, 4)
    assert account["in_aep"] == 600
    assert ("ingest", "DCVS-1103-400") in {(stage, code) for stage, code, _, _ in account["dead_letter_reasons"]}
    assert {code for _, code, _, _ in account["dead_letter_reasons"]} == {
        "not_json",
        "identity_none_valid",
        "required_missing",
        "DCVS-1103-400",
    }


@pytest.mark.slow
def test_without_a_terminal_it_tells_its_story_in_lines():
    """Before and after of one event, the outage, the poison, and the closing line."""
    done = run_demo()
    assert done.returncode == 0, done.stderr
    for part in ("the same as AEP gets it", "AEP answers 503", "AEP is back", "identity_none_valid", "nothing lost"):
        assert part in done.stdout
    assert "\x1b[" not in done.stdout


def test_traffic_is_numbered_and_the_same_every_time():
    """Every event has an id of its own, batches are MoEngage's size, two runs send the same bytes."""
    bodies = list(batches(450))
    assert bodies == list(batches(450))
    events = [event for body in bodies for event in orjson.loads(body)["events"]]
    assert [len(orjson.loads(body)["events"]) for body in bodies] == [BATCH_EVENTS] * 4 + [50]
    assert len({event["event_uuid"] for event in events}) == 450
    assert list(batches(100, start=100)) != bodies[1:2]


def test_samples_can_all_be_delivered_and_poison_cannot():
    """The demo's account relies on it: what is sent as good maps, what is sent as poison does not."""
    build = open_experience_events(MappingSettings()).build
    assert all(build(event).rejection is None for event in events_of({"source": "MOENGAGE", "events": sample_events()}))
    for drop in poison()[1:]:
        (event,) = events_of(orjson.loads(drop.body))
        assert build(event).rejection is not None, drop.why


def test_it_never_sends_more_than_the_embedded_broker_keeps():
    """Sending as much as can be asked for fills no partition of the mock cluster, which forgets silently."""
    partitions = list(range(PARTITIONS))
    filled: Counter[int] = Counter()
    for body in batches(MOST_EVENTS):
        for event in events_of(orjson.loads(body)):
            key = record_key(event)
            filled[DefaultPartitioner()(key, partitions, partitions)] += len(orjson.dumps(event)) + len(key) + 100
    assert max(filled.values()) < KEPT_BYTES


@pytest.mark.slow
def test_two_routes_have_an_account_each():
    """While AEP is away for one route the other is delivered; both accounts add up."""
    done = run_demo("--routes", "--json")
    assert done.returncode == 0, done.stderr
    accounts = json_of(done)["routes"]
    assert list(accounts) == ["eu", "us"]
    for account in accounts.values():
        assert account["nothing_lost"]
        assert (account["received"], account["delivered"], account["dead_lettered"]) == (603, 600, 3)
