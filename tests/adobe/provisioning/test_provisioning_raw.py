"""Payload raw: the mapping set in AEP, its drift from the file, and the dataflow that runs it."""

from __future__ import annotations

import pytest
from setting_up import (
    ONE_OF_EACH,
    TENANT,
    Heard,
    append,
    applied,
    changes,
    counted,
    planned,
    put,
    text_of,
    write_credentials,
)

from bridge.adobe.provisioning.applying import Conflict
from bridge.adobe.provisioning.steps import Action, Kind
from bridge.emulators.adobe import Emulator

ROWS = (
    "source_type,source,destination\n"
    "ATTRIBUTE,id,_id\n"
    'EXPRESSION,"dformat((time * 1000), ""yyyy-MM-dd\'T\'HH:mm:ssX"")",timestamp\n'
    "ATTRIBUTE,identities.externalId,identityMap.{primary_identity}[0].id\n"
    "STATIC,true,identityMap.{primary_identity}[0].primary\n"
    "ATTRIBUTE,event_name,{tenant}.eventName\n"
)


@pytest.fixture
async def adobe(tmp_path, monkeypatch):
    """An empty emulated organisation, and settings for a raw payload with a mapping set of one's own."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(tenant=TENANT) as emulator:
        write_credentials(tmp_path, emulator, BRIDGE_AEP__PAYLOAD="raw", BRIDGE_MAPPING__PATH="mapping.csv")
        put("mapping.csv", ROWS)
        yield emulator


def _sets(emulator):
    return emulator.platform.sandboxes["prod"].mapping_sets


async def test_mapping_set_and_dataflow_are_made_once(adobe):
    """One mapping set with the tenant and the namespace filled in; a second plan has nothing to do, whatever AEP rewrites."""
    await applied()
    assert counted(adobe) == {**ONE_OF_EACH, "namespaces": counted(adobe)["namespaces"]}
    (versions,) = _sets(adobe).values()
    destinations = [one["destination"] for one in versions[-1]["mappings"]]
    assert f"_{TENANT}.eventName" in destinations
    assert "identityMap.lumaCrmId[0].id" in destinations
    assert (await planned()).plan.exit_code == 0
    assert await applied() == []


async def test_drift_is_told_by_row_and_mended_with_a_new_version(adobe):
    """A changed row: the plan says which, apply makes a new version and moves the dataflow to it."""
    await applied()
    put("mapping.csv", ROWS.replace("event_name,{tenant}.eventName", "event_code,{tenant}.eventName"))
    (step, *_), plan = (await planned()).plan.open, (await planned()).plan
    assert step.kind is Kind.MAPPING_SET
    assert [(one.path, one.old, one.new) for one in step.changes] == [
        (f"_{TENANT}.eventName", "ATTRIBUTE event_name", "ATTRIBUTE event_code")
    ]
    assert plan.exit_code == 3
    heard = Heard()
    await applied(heard=heard)
    assert [kind for word, kind in heard.said if word == "done"] == [str(Kind.MAPPING_SET), str(Kind.DATAFLOW)]
    (flow,) = adobe.platform.sandboxes["prod"].flow_service["flows"].values()
    assert int(flow["transformations"][0]["params"]["mappingVersion"]) == 1
    assert (await planned()).plan.exit_code == 0


async def test_a_row_that_adobe_refuses_stops_it_before_anything_is_stored(adobe):
    """Adobe's validation is asked first; its words stand beside the destination."""
    await applied()
    sent = [one for one in changes(adobe) if "validate" not in one[1]]
    put("mapping.csv", ROWS + 'EXPRESSION,"no_such_function(id)",{tenant}.eventCode\n')
    (step,) = (await planned()).plan.conflicts
    assert step.action is Action.CONFLICT
    assert step.changes[0].path == f"_{TENANT}.eventCode"
    with pytest.raises(Conflict):
        await applied()
    assert [one for one in changes(adobe) if "validate" not in one[1]] == sent


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/conversion/mappingSets"), ("PUT", "/conversion/mappingSets"), ("PATCH", "/flows/")]
)
async def test_lost_answers_make_no_second_set(adobe, method, path, when):
    """Of the new set, its new version and the moved dataflow."""
    if method != "POST":
        await applied()
        put("mapping.csv", ROWS.replace("event_name", "event_code"))
    # The validation is a POST to the same place, and comes first.
    skip = 1 if method == "POST" else 0
    adobe.control(platform={"reset": {"method": method, "path": path, "when": when, "skip": skip, "count": 1}})
    await applied()
    assert len(_sets(adobe)) == 1
    assert (await planned()).plan.exit_code == 0


async def test_an_xdm_route_does_not_take_over_a_raw_account(adobe):
    """The account's payload never changes: the plan names both settings that would resolve it."""
    await applied()
    put(".env", text_of(".env").replace("PAYLOAD=raw", "PAYLOAD=xdm"))
    append("BRIDGE_AEP__FLOW_ID=\n")
    told = " ".join(step.todo for step in (await planned()).plan.conflicts)
    assert "BRIDGE_AEP__PAYLOAD" in told
    assert "BRIDGE_SETUP__ACCOUNT_NAME" in told
