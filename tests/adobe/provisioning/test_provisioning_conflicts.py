"""Which of several objects is meant, and when is nothing sent because that cannot be known?"""

from __future__ import annotations

import pytest
from setting_up import append, applied, changes, planned, put, text_of

from bridge.adobe.provisioning.applying import Conflict
from bridge.adobe.provisioning.steps import Kind
from bridge.adobe.refusals import PlatformError
from bridge.settings import load_settings


async def _twice(adobe, path):
    """Make a second object of the kind, of the same name: the answer of the first is lost and the lists are blind meanwhile."""
    held = adobe.platform.sandboxes["prod"]
    store = held.datasets if path == "datasets" else held.flow_service[path]
    (identifier, document), *_ = store.items()
    other = "0" * len(identifier)
    store[other] = {**document, **({"id": other} if "id" in document else {})}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("datasets", Kind.DATASET),
        ("connections", Kind.ACCOUNT),
        ("sourceConnections", Kind.SOURCE),
        ("flows", Kind.DATAFLOW),
    ],
)
async def test_two_of_one_name_stop_it(adobe, path, kind):
    """It does not choose: nothing is sent, and both ids are named."""
    start = text_of(".env")
    await applied()
    put(".env", start)
    await _twice(adobe, path)
    sent = changes(adobe)
    outlook = await planned()
    (step,) = outlook.plan.conflicts
    assert step.kind is kind
    assert "there are 2" in step.todo
    with pytest.raises(Conflict, match="there are 2"):
        await applied()
    assert changes(adobe) == sent


async def test_ids_in_the_settings_decide_between_two(adobe):
    """What .env names by id is meant, whatever else has the same name."""
    await applied()
    for path in ("datasets", "connections", "flows"):
        await _twice(adobe, path)
    assert (await planned()).plan.exit_code == 0


async def test_ids_of_another_sandbox_are_a_conflict(adobe):
    """Settings that were written for prod do not make a second of everything in dev; they say which to unset."""
    await applied()
    text = text_of(".env").replace("SANDBOX=prod", "SANDBOX=dev")
    put(".env", text)
    plan = (await planned()).plan
    assert plan.exit_code == 1
    told = " ".join(step.todo for step in plan.conflicts)
    for name in ("BRIDGE_AEP__SCHEMA_ID", "BRIDGE_AEP__DATASET_ID", "BRIDGE_AEP__FLOW_ID"):
        assert name in told


async def test_a_hidden_dataflow_is_not_made_again(adobe):
    """A label hides it with a 404: a conflict, not a second dataflow."""
    await applied()
    adobe.control(platform={"hide_flows": [load_settings().aep.flow_id]})
    (step,) = (await planned()).plan.conflicts
    assert "label" in step.todo


async def test_a_title_that_another_kind_holds_is_told(adobe):
    """Titles are unique over all kinds: the refusal of AEP comes with the setting to change."""
    append("BRIDGE_SETUP__SCHEMA_NAME=MoEngage Event Details\n")
    with pytest.raises(PlatformError, match="XDM-1521") as caught:
        await applied()
    assert "_NAME" in caught.value.hint
