"""The emulator checks what the documents say AEP checks, answers in their shapes, and misbehaves as told."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys

import httpx
import orjson
import pytest

from bridge.emulators.adobe import Emulator, fingerprint
from bridge.emulators.adobe.faults import Faults
from bridge.emulators.spells import Fail

pytestmark = pytest.mark.clock

EVENT = {"_id": "e1", "timestamp": "2024-11-12T14:20:00Z"}


@pytest.fixture
async def emulator():
    """An emulator for one test."""
    async with Emulator() as running:
        yield running


@pytest.fixture
async def http():
    """A plain client."""
    async with httpx.AsyncClient(timeout=5) as client:
        yield client


def message(emulator, event=EVENT, **header):
    """A right message."""
    schema = {"id": emulator.schema_id, "contentType": "application/vnd.adobe.xed-full+json;version=1"}
    return {
        "header": {
            "schemaRef": schema,
            "imsOrgId": emulator.org_id,
            "datasetId": emulator.dataset_id,
            "flowId": emulator.flow_id,
            "source": {"name": "test"},
        }
        | header,
        "body": {"xdmMeta": {"schemaRef": schema}, "xdmEntity": event},
    }


async def token(emulator, http, **changes):
    """IMS's answer to a token request."""
    form = {
        "grant_type": "client_credentials",
        "client_id": emulator.client_id,
        "client_secret": emulator.client_secret,
        "scope": "openid,AdobeID",
    }
    return await http.post(emulator.token_url, data=form | changes)


async def headers(emulator, http, **changes):
    """Right headers with a new token."""
    granted = (await token(emulator, http)).json()
    return {
        "Authorization": f"Bearer {granted['access_token']}",
        "x-gw-ims-org-id": emulator.org_id,
        "x-sandbox-name": "prod",
        "Content-Type": "application/json",
    } | changes


async def batch(emulator, http, *messages, **changes):
    """The answer to a batch."""
    url = emulator.collection_url.replace("/collection/", "/collection/batch/")
    return await http.post(
        url, content=orjson.dumps({"messages": messages}), headers=await headers(emulator, http, **changes)
    )


async def test_token_endpoint(emulator, http):
    """The documented answer, and OAuth errors for wrong credentials, grant and scope."""
    granted = await token(emulator, http)
    assert granted.status_code == 200
    assert granted.json()["expires_in"] == 86_399
    assert granted.json()["token_type"] == "bearer"
    for change, status, error in (
        ({"client_secret": "x"}, 401, "invalid_client"),
        ({"client_id": "x"}, 401, "invalid_client"),
        ({"client_secret": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": ""}, 400, "invalid_scope"),
        ({"scope": "openid AdobeID"}, 400, "invalid_scope"),
    ):
        refused = await token(emulator, http, **change)
        assert (refused.status_code, refused.json()["error"]) == (status, error)


async def test_token_endpoint_v2_takes_a_query(emulator, http):
    """The older endpoint reads its parameters from the query."""
    query = {
        "grant_type": "client_credentials",
        "client_id": emulator.client_id,
        "client_secret": emulator.client_secret,
        "scope": "openid",
    }
    assert (await http.post(f"{emulator.url}/ims/token/v2", params=query)).status_code == 200
    assert (await http.post(f"{emulator.url}/ims/token/v3", params=query)).status_code == 400


async def test_authorization_is_checked(emulator, http):
    """No token, a wrong one, an expired one: the documented problem with its string status."""
    empty = await batch(emulator, http, message(emulator), Authorization="")
    assert empty.status_code == 401
    assert empty.json()["status"] == "401"
    assert "token is empty" in empty.json()["report"]["message"]
    assert (await batch(emulator, http, message(emulator), Authorization="Bearer x")).status_code == 401
    emulator.control(token_ttl=0.1)
    late = await headers(emulator, http)
    await asyncio.sleep(0.15)
    refused = await http.post(emulator.collection_url, content=b"{}", headers=late)
    assert (refused.status_code, refused.json()["title"]) == (401, "Authorization")
    assert "expired" in refused.json()["report"]["message"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"x-sandbox-name": ""}, 400),
        ({"x-gw-ims-org-id": ""}, 400),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 207),
    ],
)
async def test_headers_are_checked(emulator, http, changes, status):
    """Sandbox, organisation and media type."""
    assert (await batch(emulator, http, message(emulator), **changes)).status_code == status


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.pop("header"), "'header' field is mandatory"),
        (lambda m: m.pop("body"), "'body' field is mandatory"),
        (lambda m: m["header"].pop("imsOrgId"), "absent or wrong ims org"),
        (lambda m: m["header"].update(imsOrgId="x@AdobeOrg"), "absent or wrong ims org"),
        (lambda m: m["header"].pop("schemaRef"), "unknown xdm format"),
        (lambda m: m["header"].pop("datasetId"), "datasetId"),
        (lambda m: m["header"].update(flowId="other"), "flowId"),
        (lambda m: m["header"].pop("source"), "Source Name"),
        (lambda m: m["body"].pop("xdmMeta"), "unknown xdm format"),
        (lambda m: m["body"].update(xdmMeta={"schemaRef": {"id": "other"}}), "unknown xdm format"),
        (lambda m: m["body"].pop("xdmEntity"), "missing xdmEntity"),
        (lambda m: m["body"]["xdmEntity"].pop("_id"), "[_id] not found"),
        (lambda m: m["body"]["xdmEntity"].pop("timestamp"), "[timestamp] not found"),
        (lambda m: m["body"]["xdmEntity"].update(timestamp="12/11/2024"), "date-time"),
    ],
)
async def test_messages_are_checked_one_by_one(emulator, http, change, words):
    """A wrong message is refused with the service's words; its neighbours are accepted."""
    wrong = orjson.loads(orjson.dumps(message(emulator)))
    change(wrong)
    answer = await batch(
        emulator, http, message(emulator, EVENT | {"_id": "a"}), wrong, message(emulator, EVENT | {"_id": "b"})
    )
    assert answer.status_code == 207
    responses = answer.json()["responses"]
    assert responses[1]["status"] == 400
    assert words in responses[1]["message"]
    assert "status" not in responses[0] | responses[2]
    assert emulator.received.page(0, 9)["next_offset"] is None
    assert set(emulator.received.fingerprints) == {"a", "b"}


async def test_whole_requests_are_checked(emulator, http):
    """Too large, not JSON, no messages, unknown inlet."""
    known = await headers(emulator, http)
    url = emulator.collection_url.replace("/collection/", "/collection/batch/")
    for content, status in ((b" " * 1_048_577, 413), (b"{", 400), (b"{}", 400), (b'{"messages": []}', 400)):
        assert (await http.post(url, content=content, headers=known)).status_code == status
    assert (await http.post(f"{emulator.url}/collection/batch/other", content=b"{}", headers=known)).status_code == 404


async def test_the_largest_request_can_be_changed(emulator, http):
    """Smaller ones for a while, then its own limit again."""
    known = await headers(emulator, http)
    url = emulator.collection_url.replace("/collection/", "/collection/batch/")
    body = orjson.dumps({"messages": [message(emulator)]})
    for limit, status in ((len(body), 207), (len(body) - 1, 413), (None, 207)):
        emulator.control(max_bytes=limit)
        assert (await http.post(url, content=body, headers=known)).status_code == status
    emulator.control(max_bytes=1)
    emulator.control(clear_faults=True)
    assert (await http.post(url, content=body, headers=known)).status_code == 207


async def test_single_endpoint_with_synchronous_validation(http):
    """200 with pass, a problem with the violation, 429 above 60 a minute, 501 where it is not supported."""
    async with Emulator() as emulator:
        known = await headers(emulator, http)
        url = f"{emulator.collection_url}?syncValidation=true"
        good = orjson.dumps(message(emulator))
        plain = await http.post(emulator.collection_url, content=good, headers=known)
        assert plain.json()["syncValidation"] == {"skipped": True}
        answer = await http.post(url, content=good, headers=known)
        assert (answer.status_code, answer.json()["syncValidation"]) == (200, {"status": "pass"})
        bad = orjson.dumps(message(emulator, {"timestamp": "2024-11-12T14:20:00Z"}))
        refused = await http.post(url, content=bad, headers=known)
        assert refused.status_code == 400
        assert refused.json()["report"]["cause"]["_streamingValidation"][0]["keyword"] == "required"
        answers = [(await http.post(url, content=good, headers=known)).status_code for _ in range(59)]
        assert answers == [200] * 58 + [429]
    async with Emulator(sync_validation=False) as emulator:
        url = f"{emulator.collection_url}?syncValidation=true"
        assert (await http.post(url, content=good, headers=await headers(emulator, http))).status_code == 501


async def test_received_shows_counts_pages_and_payloads(emulator, http):
    """Unique, duplicates, conflicting payloads, ids by page, one payload."""
    for event in (EVENT, EVENT, EVENT | {"more": 1}, EVENT | {"_id": "e2"}):
        await batch(emulator, http, message(emulator, event))
    shown = (await http.get(f"{emulator.url}/received")).json()
    assert {key: shown[key] for key in ("events", "unique", "duplicates", "conflicts")} == {
        "events": 4,
        "unique": 2,
        "duplicates": 2,
        "conflicts": 1,
    }
    page = (await http.get(f"{emulator.url}/received?ids=1&limit=1")).json()
    assert (page["ids"], page["next_offset"]) == ([["e1", 3, fingerprint(EVENT)]], 1)
    page = (await http.get(f"{emulator.url}/received?ids=1&limit=1&offset=1")).json()
    assert (page["ids"][0][:2], page["next_offset"]) == (["e2", 1], None)
    assert (await http.get(f"{emulator.url}/received?payload=e1")).json() == EVENT
    assert (await http.get(f"{emulator.url}/received?payload=no")).status_code == 404
    assert (await http.delete(f"{emulator.url}/received")).json()["events"] == 0


async def test_control_over_http(emulator, http):
    """Faults are set, shown, counted down and cleared; a wrong key is named."""
    url = f"{emulator.url}/control"
    shown = (
        await http.post(url, json={"fail": {"status": 503, "count": 1}, "reset": "after", "latency_seconds": 0.01})
    ).json()
    assert shown["fail"]["status"] == 503
    assert shown["reset"]["when"] == "after"
    assert (await batch(emulator, http, message(emulator))).status_code == 503
    assert (await http.get(url)).json()["fail"] is None
    assert (await http.post(url, json={"clear_faults": True})).json()["reset"] is None
    refused = await http.post(url, json={"fail": {"statsu": 503}})
    assert refused.status_code == 400
    assert refused.json()["problems"][0]["key"] == "fail.statsu"
    assert (await http.post(url, content=b"{")).status_code == 400


async def test_fast_mode_only_counts(http):
    """--fast parses and counts, without checks or ids."""
    async with Emulator(fast=True) as emulator:
        assert (await batch(emulator, http, {}, {})).status_code == 207
        assert (emulator.received.events, emulator.received.fingerprints) == (2, {})


def test_probability_is_seeded():
    """The same seed strikes the same requests."""

    def run(seed):
        faults = Faults()
        faults.chance.seed(seed)
        fail = Fail(probability=0.3)
        fail.start(0.0)
        return [fail.strikes(0.0, faults.chance) for _ in range(50)]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 5 <= sum(run(1)) <= 25


def test_spells_end():
    """After so many seconds, or so many requests."""
    faults = Faults(clock=lambda: 100.0)
    short, few = Fail(seconds=5), Fail(count=2)
    short.start(100.0)
    few.start(100.0)
    assert [short.strikes(now, faults.chance) for now in (100.0, 104.9, 105.0)] == [True, True, False]
    assert [few.strikes(100.0, faults.chance) for _ in range(3)] == [True, True, False]


def test_command_line_serves_and_stops(tmp_path):
    """aep-bridge emulator --port 0 --json says where it listens, applies a first control, and ends on SIGTERM with 0."""
    command = [sys.executable, "-m", "bridge", "emulator", "--port", "0", "--json", "--control", '{"token_ttl": 5}']
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            said = json.loads(process.stdout.readline())
            assert httpx.get(f"{said['url']}/health", timeout=30).json() == {"status": "ok"}
            assert httpx.get(said["control"], timeout=30).json()["token_ttl"] == 5
            assert said["environment"]["BRIDGE_AEP__ENDPOINT"].startswith(f"{said['url']}/collection/")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        assert process.returncode == 0
        assert b"emulated-secret" not in process.stderr.read()
