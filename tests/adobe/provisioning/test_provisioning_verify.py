"""verify: a test event through mapping and inlet, followed into the emulated dataset."""

from __future__ import annotations

import json
import time

import pytest
from setting_up import TENANT, append, applied, client_for, put, text_of, verified, write_credentials

from bridge.adobe.provisioning.verification import warm_up_left
from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.platform.sandbox import Times
from bridge.model.errors import BridgeError
from bridge.routes.probing import open_probe
from bridge.settings import load_settings
from bridge.telemetry.metrics import Metrics


@pytest.fixture
async def adobe(tmp_path, monkeypatch):
    """An emulated organisation that is set up, without warm-up."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(tenant=TENANT, times=Times(warm_up=0)) as emulator:
        write_credentials(tmp_path, emulator)
        await applied()
        yield emulator


def _by_name(stations):
    return {station.name: station for station in stations}


async def test_the_event_is_followed_into_the_dataset(adobe):
    """Both endpoints, the dataset; Profile may not be looked at without the licence, which is said and no failure."""
    stations = await verified(adobe)
    assert [(one.name, one.ok) for one in stations] == [
        ("single endpoint", True), ("batch endpoint", True), ("dataset", True), ("profile", None),
    ]  # fmt: skip
    assert "403" in stations[-1].words
    assert adobe.ingestion.find(load_settings().aep.dataset_id).ingested


async def test_profile_is_looked_at_where_allowed(adobe):
    """With the licence the person of the test event is found from the dataset."""
    adobe.control(platform={"oddities": {"profile_lookup": "allowed"}})
    assert _by_name(await verified(adobe))["profile"].ok is not False


async def test_without_profile_it_is_not_asked_for(adobe):
    """Where Profile is switched off nobody waits for it."""
    append("BRIDGE_SETUP__PROFILE=false\n")
    assert [one.name for one in await verified(adobe)] == ["single endpoint", "batch endpoint", "dataset"]


async def test_what_aep_refuses_later_is_told_with_its_reason(adobe, monkeypatch):
    """A 200, and then a failed batch: the reason stands in the line."""
    real = open_probe

    def spoiled(settings, metrics, now):
        probe = real(settings, metrics, now)
        probe.sent[f"_{TENANT}"]["campaignId"] = {"not": "text"}
        return probe

    async def skipped(_self):
        return type("Said", (), {"ok": True, "words": "not sent", "todo": ""})()

    monkeypatch.setattr("setting_up.open_probe", spoiled)
    monkeypatch.setattr("bridge.routes.probing.RouteProbe.send_alone", skipped)
    found = _by_name(await verified(adobe))["dataset"]
    assert found.ok is False
    assert "refused it later" in found.words
    assert "campaignId" in found.words


@pytest.mark.parametrize("form", ["codes", "violations", "list", "text", "escaped"])
async def test_every_form_of_failed_record_is_read(adobe, monkeypatch, form):
    """The event is recognised and its reason told whatever AEP's file looks like."""
    adobe.control(platform={"oddities": {"failed_records": form}})
    await test_what_aep_refuses_later_is_told_with_its_reason(adobe, monkeypatch)


async def test_an_event_of_the_first_minutes_is_missed(tmp_path, monkeypatch):
    """During the warm-up AEP answers 200 and loses it: nowhere after the whole time, with what to do."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(tenant=TENANT, times=Times(warm_up=300)) as emulator:
        write_credentials(tmp_path, emulator)
        await applied()
        found = (await verified(emulator, longest=120))[-1]
        assert (found.name, found.ok) == ("dataset", False)
        assert "run aep-bridge setup verify again" in found.todo


async def test_the_rest_of_the_first_minutes_is_known(adobe):
    """How long a dataflow that was just made still needs; nothing where it was made long ago, or is not there."""
    flow_id = load_settings().aep.flow_id
    now = time.time()
    async with client_for() as client:
        assert 290 < await warm_up_left(client, flow_id, 300, now) <= 300
        assert await warm_up_left(client, flow_id, 300, now + 400) == 0
        assert await warm_up_left(client, "00000000-0000-0000-0000-000000000000", 300, now) == 0
        assert await warm_up_left(client, "", 300, now) == 0


async def test_where_aep_does_not_validate_at_once_it_is_sent_without(tmp_path, monkeypatch):
    """Outside VA7 the single endpoint answers 501 to syncValidation."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(tenant=TENANT, times=Times(warm_up=0), sync_validation=False) as emulator:
        write_credentials(tmp_path, emulator)
        await applied()
        stations = _by_name(await verified(emulator))
        assert "not validated" in stations["single endpoint"].words
        assert stations["dataset"].ok


async def test_refused_at_the_inlet_it_ends_there(adobe):
    """The first station that fails is the last, with what to look at."""
    put(".env", text_of(".env").replace("BRIDGE_AEP__FLOW_ID=", "BRIDGE_AEP__FLOW_ID=00000000-"))
    (station,) = await verified(adobe)
    assert station.ok is False
    assert station.todo


async def test_a_mapping_that_refuses_the_event_is_told_before_anything_is_sent(adobe):
    """No identity, no event: the mapping's own words."""
    put("mapping.csv", "source,destination\nid,_id\nmissing,identityMap.lumaCrmId[0].id\n")
    append("BRIDGE_MAPPING__PATH=mapping.csv\n")
    with pytest.raises(BridgeError, match="the mapping refuses the test event"):
        open_probe(load_settings(), Metrics(), 0.0)


async def test_a_raw_dataflow_maps_the_event_in_aep(tmp_path, monkeypatch):
    """Payload raw: mapping set and dataflow are made, the event goes unmapped, and AEP's mapping brings it into the dataset."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(tenant=TENANT, times=Times(warm_up=0)) as emulator:
        write_credentials(tmp_path, emulator, BRIDGE_AEP__PAYLOAD="raw")
        await applied()
        stations = _by_name(await verified(emulator))
        assert stations["single endpoint"].ok, stations["single endpoint"].words
        assert stations["batch endpoint"].ok
        assert stations["dataset"].ok, stations["dataset"].words
        assert json.loads(text_of("aep-schema.json"))["title"] == "MoEngage Events"
