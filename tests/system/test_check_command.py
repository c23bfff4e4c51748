"""``aep-bridge check`` on a real Kafka and the emulator: all there, and each thing amiss named with what to do."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from json_output import json_of

from bridge.emulators.adobe import Emulator
from bridge.testing.commands import run_command

ROOT = Path(__file__).parents[2]


def run(environment, *arguments):
    """Exit code, checks by name, stderr."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}
    done = run_command("check", "--json", *arguments, env=inherited | environment, cwd=ROOT)
    return done.returncode, {each["name"]: each for each in json_of(done, exit_code=None)}, done.stderr


@pytest.fixture
async def emulator():
    """An emulator for one test."""
    async with Emulator() as running:
        yield running


@pytest.mark.kafka
async def test_everything_is_there(emulator, kafka, topic):
    """Exit 0, a line each, and the trial event arrives."""
    environment = emulator.environment() | {
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "BRIDGE_KAFKA__TOPIC": topic(),
        "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": topic("dead"),
    }
    code, checks, _ = await asyncio.to_thread(run, environment, "--send-test")
    names = [
        "settings",
        "mapping",
        "kafka",
        "event topic",
        "dead-letter topic",
        "token",
        "failed batches",
        "trial event",
    ]
    assert (code, list(checks)) == (0, names)
    assert "cleanup delete" in checks["event topic"]["found"]
    assert "retention.ms=2592000000" in checks["dead-letter topic"]["todo"], (
        "a week is short for what a person must mend"
    )
    assert emulator.received.events == 1
    assert checks["failed batches"]["found"] == "readable; a worker fetches them every 300 s"


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("changes", "permissions", "words"),
    [
        ({}, (), "cannot be fetched: GET /data/foundation/catalog/batches: AEP answered 403"),
        ({"BRIDGE_AEP__FAILED_BATCHES_SECONDS": "0"}, None, "not fetched: BRIDGE_AEP__FAILED_BATCHES_SECONDS is 0"),
        ({"BRIDGE_AEP__PLATFORM_URL": "http://127.0.0.1:1"}, None, "gives no answer within 10 seconds"),
    ],
)
async def test_whether_later_refusals_will_be_seen_is_told(emulator, kafka, topic, *, changes, permissions, words):
    """Without rights, address or the setting workers do not fetch failed batches: that is told, and fails no check."""
    emulator.control(platform={"permissions": permissions})
    environment = emulator.environment() | {
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "BRIDGE_KAFKA__TOPIC": topic(),
        "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": topic("dead"),
        **changes,
    }
    code, checks, _ = await asyncio.to_thread(run, environment)
    assert code == 0
    assert words in checks["failed batches"]["found"]


@pytest.mark.kafka
@pytest.mark.parametrize("which", ["event topic", "dead-letter topic"])
async def test_a_compacted_topic(emulator, kafka, topic, which):
    """Exit 1: Kafka would delete events before they are delivered, or refuse letters; the command that mends it is named."""
    policies = {kind: "compact" if kind == which else "delete" for kind in ("event topic", "dead-letter topic")}
    environment = emulator.environment() | {
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "BRIDGE_KAFKA__TOPIC": topic(cleanup_policy=policies["event topic"]),
        "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": topic("dead", cleanup_policy=policies["dead-letter topic"]),
    }
    code, checks, _ = await asyncio.to_thread(run, environment)
    assert code == 1
    assert {name for name, each in checks.items() if not each["ok"]} == {"kafka", which}
    assert "cleanup.policy=delete" in checks[which]["todo"]


@pytest.mark.kafka
async def test_missing_topics_and_refused_secret(emulator, kafka):
    """Exit 1; the topics are named and not created, the credentials are named and not shown."""
    environment = emulator.environment() | {
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "BRIDGE_KAFKA__TOPIC": "nobody.made.this",
        "BRIDGE_OAUTH__CLIENT_SECRET": "mistyped-secret",
    }
    for _ in range(2):
        code, checks, stderr = await asyncio.to_thread(run, environment)
        assert code == 1
        assert not checks["kafka"]["ok"]
        assert "nobody.made.this" in checks["kafka"]["found"]
        assert "BRIDGE_KAFKA__CREATE_TOPICS" in checks["kafka"]["todo"]
        assert not checks["token"]["ok"]
        assert "mistyped-secret" not in json.dumps(checks) + stderr


async def test_nothing_is_set():
    """Exit 1; every missing variable is named, and Kafka that is away too."""
    code, checks, _ = await asyncio.to_thread(run, {"BRIDGE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert code == 1
    assert "BRIDGE_AEP__ENDPOINT" in checks["settings"]["found"]
    assert checks["mapping"]["ok"]
    assert "tenant not verified: only a schema fetched from AEP knows _yourorgname" in checks["mapping"]["found"]
    assert not checks["kafka"]["ok"]


async def test_what_a_schema_vouches_for_and_does_not_check(tmp_path):
    """A schema from AEP verifies the tenant, what is not enforced of it is named; without one that is said, with the way to it."""
    mapping, schema = tmp_path / "own.csv", tmp_path / "schema.json"
    mapping.write_text("source,destination\nid,_id\nidentities.email,identityMap.Email[0].id\nx,{tenant}.x\n")
    text = {"type": "string"}
    schema.write_text(json.dumps({"properties": {"_acme": {"properties": {"x": {**text, "format": "ipv4"}}}}}))
    environment = {
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "BRIDGE_MAPPING__PATH": str(mapping),
        "BRIDGE_MAPPING__TENANT": "_acme",
    }
    _, checks, _ = await asyncio.to_thread(run, environment)
    assert checks["mapping"]["ok"]
    assert "no schema: nothing is coerced" in checks["mapping"]["found"]
    environment["BRIDGE_MAPPING__SCHEMA"] = str(schema)
    _, checks, _ = await asyncio.to_thread(run, environment)
    assert checks["mapping"]["found"].endswith("tenant _acme; not checked: format ipv4 of _acme.x")
    _, checks, _ = await asyncio.to_thread(run, environment | {"BRIDGE_MAPPING__TENANT": "_acmee"})
    assert not checks["mapping"]["ok"]
    assert "its tenant is _acme" in checks["mapping"]["found"]


async def test_wrong_setting():
    """A setting of the wrong form ends the check with its name and an example."""
    code, checks, _ = await asyncio.to_thread(run, {"BRIDGE_AEP__PAYLOAD": "yaml"})
    assert code == 1
    assert list(checks) == ["settings"]
    assert "BRIDGE_AEP__PAYLOAD" in checks["settings"]["found"]


@pytest.mark.parametrize("tests", ["nowhere", "broken"])
async def test_what_the_worker_would_stumble_over_is_told(tmp_path, tests):
    """An endpoint that is no URL stops the worker, golden cases that fail stop its reload: the check names both before."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/odd.event.json").write_text('{"event_uuid": "1"}')
    (tmp_path / "broken/odd.expected.json").write_text('{"_id": "2"}')
    code, checks, _ = await asyncio.to_thread(
        run,
        {
            "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "BRIDGE_AEP__ENDPOINT": "http://host:port/collection/0123",
            "BRIDGE_AEP__PAYLOAD": "xdm",
            "BRIDGE_AEP__AUTH": "none",
            "BRIDGE_AEP__ORG_ID": "0123456789ABCDEF01234567@AdobeOrg",
            "BRIDGE_AEP__SCHEMA_ID": "https://ns.adobe.com/yourorgname/schemas/0123456789abcdef",
            "BRIDGE_AEP__DATASET_ID": "0123456789abcdef01234567",
            "BRIDGE_MAPPING__TESTS": str(tmp_path / tests),
        },
    )
    assert code == 1
    assert "BRIDGE_AEP__ENDPOINT is not a URL" in checks["settings"]["found"]
    assert not checks["mapping"]["ok"]
    assert ("odd" if tests == "broken" else "nowhere") in checks["mapping"]["found"]
