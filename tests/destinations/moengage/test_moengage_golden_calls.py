"""Element in, call out: each case in single mode and in bulk, over HTTP, into an emulated workspace that ignores nothing of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import orjson
import pytest

from bridge.destinations.moengage.checks import Checks
from bridge.destinations.moengage.destination import MoEngageDestination
from bridge.destinations.moengage.elements import NullRules
from bridge.destinations.moengage.encoding import bulk, path_of
from bridge.destinations.moengage.shaping import Shaper
from bridge.emulators.moengage import MoEngageEmulator
from bridge.model.verdicts import AllAccepted
from bridge.settings.moengage import MoEngageSettings
from bridge.telemetry.metrics import Metrics

CASES = json.loads((Path(__file__).resolve().parents[2] / "data" / "moengage_calls.json").read_text(encoding="utf-8"))
EACH = pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])


def _items(case):
    checks = Checks(objects=True, unset=True, projects=["Shop"] if "project" in case["case"] else [])
    shaped = Shaper(checks, most_bytes=95_000, nulls=NullRules(case.get("nulls", {}))).shape(case["element"])
    assert shaped.rejection is None
    assert not shaped.findings
    return shaped.items


@EACH
def test_the_calls_of_an_element(case) -> None:
    """Path and body of each single call, in order, and the body of the bulk call."""
    items = _items(case)
    assert [[path_of(item), orjson.loads(item)] for item in items] == case["calls"]
    elements = [body for _, body in case["calls"]]
    assert orjson.loads(bulk(items)) == {"type": "transition", "elements": elements}


@EACH
@pytest.mark.parametrize("mode", ["single", "bulk"])
async def test_moengage_ignores_nothing_of_it(case, mode) -> None:
    """Both ways end in the same state of the workspace, and neither has anything silently cut."""
    async with MoEngageEmulator() as emulator:
        settings = MoEngageSettings.model_validate(
            {
                "workspace_id": emulator.api.app_id,
                "api_key": emulator.api.api_keys[0],
                "base_url": emulator.url,
                "mode": mode,
            }
        )
        # For a device, and for what only a user that exists may have.
        emulator.workspace.process({"type": "customer", "customer_id": "C-100", "attributes": {"AEPSegments": ["B"]}})
        items = _items(case)
        async with MoEngageDestination(settings, Metrics()) as destination:
            for sent in [[item] for item in items] if mode == "single" else [items]:
                assert await destination.send(sent) == AllAccepted()
        assert not emulator.workspace.ignored
        paths = Counter(path for path, _ in case["calls"])
        assert emulator.summary()["calls"] == ({"transition": 1} if mode == "bulk" else paths)
        for path, body in case["calls"]:
            user = emulator.workspace.users[body["customer_id"]]
            if path == "customer":
                plain = {key: value for key, value in body["attributes"].items() if "ArrayField" not in key}
                assert {name: user.attributes[name] for name in plain} == plain
            elif path == "event":
                assert [one["action"] for one in user.events] == [one["action"] for one in body["actions"]]
            else:
                assert user.devices == {body["device_id"]: body["attributes"]}
        if "two calls" in case["case"]:
            assert emulator.workspace.users["C-100"].attributes["AEPSegments"] == ["A"]
