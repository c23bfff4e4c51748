"""``aep-bridge check`` on a real Kafka and the emulator: all there, and each thing amiss named with what to do."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.aep.emulator import Emulator

ROOT = Path(__file__).parents[2]


def run(environment, *arguments):
    """Exit code, checks by name, stderr."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "check", "--json", *arguments],
        env=inherited | environment,
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, {each["name"]: each for each in json.loads(done.stdout)}, done.stderr.decode()


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
    assert (code, list(checks)) == (0, ["settings", "mapping", "kafka", "token", "trial event"])
    assert emulator.received.events == 1


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
    assert not checks["kafka"]["ok"]


async def test_wrong_setting():
    """A setting of the wrong form ends the check with its name and an example."""
    code, checks, _ = await asyncio.to_thread(run, {"BRIDGE_AEP__PAYLOAD": "yaml"})
    assert code == 1
    assert list(checks) == ["settings"]
    assert "BRIDGE_AEP__PAYLOAD" in checks["settings"]["found"]
