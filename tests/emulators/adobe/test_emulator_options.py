"""Options of ``aep-bridge emulator`` for the platform APIs and for what happens after the 200."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from bridge.cli.main import app

pytestmark = pytest.mark.clock

SCHEMA = Path(__file__).resolve().parents[3] / "mappings" / "moengage_events.schema.json"


def test_options_reach_the_emulator(tmp_path):
    """Sandboxes, warm-up, readings and clock are in force, and the first line names every address that can be asked."""
    options = ["--sandbox", "prod", "--sandbox", "dev", "--warm-up", "7", "--oddity", "flow_names=unique", "--oddity"]
    options += ["descriptor_put=200", "--batch-seconds", "1", "--schema", str(SCHEMA)]
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", "emulator", "--port", "0", "--json", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if not key.startswith("BRIDGE_")},
    )
    try:
        said = json.loads(process.stdout.readline())
        assert said["environment"]["BRIDGE_AEP__PLATFORM_URL"] == said["url"]
        names = ("control", "platform", "dataset")
        shown = {name: httpx.get(said[name], timeout=10).json() for name in names}
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0
    in_force = shown["control"]["platform"]
    assert in_force["warm_up_seconds"] == 7
    assert (in_force["oddities"]["flow_names"], in_force["oddities"]["descriptor_put"]) == ("unique", 200)
    assert list(shown["platform"]["sandboxes"]) == ["prod", "dev"]
    assert shown["dataset"]["enabled"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--oddity", "unheard_of=1"], "dataset_names"),
        (["--oddity", "dataset_names"], "NAME=VALUE"),
        (["--oddity", "dataset_names=some"], "dataset_names"),
        (["--schema", "nowhere.json"], "nowhere.json"),
        (["--control", '{"platform": {"oddities": {"flow_names": "some"}}}'], "flow_names"),
        (["--control", '{"platform": {"unheard_of": 1}}'], "unheard_of"),
    ],
)
def test_wrong_options_say_what_is_wrong(options, words):
    """Exit 2, with what there is instead."""
    result = CliRunner().invoke(app, ["emulator", *options])
    assert result.exit_code == 2
    assert words in re.sub(r"[\s│]+", "", result.output)
