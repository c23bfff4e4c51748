"""What the emulator does after its 200: the dataset, failed batches and their files, fact by fact as Adobe documents them."""

from __future__ import annotations

import codecs
import json

import httpx
import pytest
from awaiting import until
from ingesting_stream import Stream
from platform_client import CATALOG, EXPORT, FLOWS, PlatformClient

from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.ingestion.dataset_rules import Limits
from bridge.emulators.adobe.platform.sandbox import Times
from bridge.xdm.schema.compiled_schema import compile_schema

GOOD = {"_id": "good", "timestamp": "2026-11-26T08:00:00Z", "_yourorgname": {"clicks": 1}}
BAD = {"_id": "bad", "timestamp": "2026-11-26T08:00:00Z", "_yourorgname": {"clicks": "many"}}


async def test_everything_is_answered_200_and_fails_later(stream):
    """Both records are accepted; after the batch one is in the dataset and the other in a failed batch."""
    responses = await stream.post(GOOD, BAD)
    assert all("xactionId" in one and "status" not in one for one in responses)
    assert (await stream.counts())["queued"] == 2
    assert await stream.batches() == {}
    stream.settle()
    counts = await stream.counts()
    assert (counts["ingested"], counts["failed"], counts["queued"]) == (1, 1, 0)
    failed = await stream.batches("&status=failed")
    ((identifier, batch),) = failed.items()
    assert (len(identifier), batch["failedRecordCount"], batch["tags"]["flowId"]) == (26, 1, [stream.flow])
    assert batch["relatedObjects"] == [{"type": "dataSet", "id": stream.dataset}]
    (error,) = batch["errors"]
    assert error["code"] == "DCVS-1104-400"
    preview = (await stream.platform.call("GET", f"{EXPORT}/datasets/{stream.dataset}/preview")).json()["data"]
    assert preview == [GOOD]


async def test_nothing_fails_no_failed_batch(stream):
    """Without a failed record there is a success batch alone."""
    await stream.post(GOOD)
    stream.settle()
    assert [one["status"] for one in (await stream.batches()).values()] == ["success"]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (
            {"_yourorgname": {"clicks": "5"}},
            "DCVS-1104-400",
            "#/_yourorgname/clicks: expected type: Integer, found: String",
        ),
        ({"_yourorgname": {"clicks": 5.0}}, "DCVS-1104-400", "found: Double"),
        ({"_yourorgname": {"clicks": None}}, "DCVS-1104-400", "expected type: Integer, found: Null"),
        ({"_yourorgname": {"clicks": True}}, "DCVS-1104-400", "found: Boolean"),
        (
            {"_yourorgname": {"attributes": {"a": 1}}},
            "DCVS-1104-400",
            "#/_yourorgname/attributes/a: expected type: String",
        ),
        ({"_yourorgname": {"attributes": {"a": {}}}}, "DCVS-1104-400", "found: JSONObject"),
        ({"_yourorgname": []}, "DCVS-1104-400", "expected type: JSONObject, found: JSONArray"),
        ({"_yourorgname": {"sentAt": "2026-11-26"}}, "DCVS-1105-400", "not a valid date-time"),
        ({"_yourorgname": {"sentAt": "2026-02-30T00:00:00Z"}}, "DCVS-1105-400", "not a valid date-time"),
        ({"_yourorgname": {"sentAt": "2026-11-26T08:00:00+0100"}}, "DCVS-1105-400", "not a valid date-time"),
        ({"identityMap": {"Email": [{"id": 5}]}}, "DCVS-1104-400", "#/identityMap/Email/0/id: expected type: String"),
        ({"identityMap": {"Email": [{"id": "x", "authenticatedState": "no"}]}}, "DCVS-1107-400", "enum"),
        ({"identityMap": {"Email": {}}}, "DCVS-1104-400", "expected type: JSONArray"),
    ],
)
async def test_validation_is_strict(stream, change, code, words):
    """Nothing is coerced: types, nulls, formats and enums fail with AEP's words and codes."""
    stream.emulator.control(platform={"oddities": {"failed_records": "codes"}})
    await stream.post(GOOD | change)
    stream.settle()
    (batch,) = await stream.batches("&status=failed")
    (line,) = await stream.lines(batch)
    (error,) = json.loads(line)["_errors"]["_streamingValidation"]
    assert error["code"] == code
    assert words in error["message"]


async def test_five_violations_at_most(stream):
    """The validation of one record stops after five."""
    stream.emulator.control(platform={"oddities": {"failed_records": "codes"}})
    await stream.post(GOOD | {"_yourorgname": {"attributes": {str(number): number for number in range(9)}}})
    stream.settle()
    (batch,) = await stream.batches("&status=failed")
    (line,) = await stream.lines(batch)
    assert len(json.loads(line)["_errors"]["_streamingValidation"]) == 5


@pytest.mark.parametrize("form", ["codes", "violations", "list", "text", "escaped", "corrupt"])
async def test_every_form_of_errors(stream, form):
    """Each form that was seen or documented holds the code and the whole record."""
    stream.emulator.control(platform={"oddities": {"failed_records": form}})
    await stream.post(BAD)
    stream.settle()
    (batch,) = await stream.batches("&status=failed")
    (line,) = await stream.lines(batch)
    record = json.loads(line)
    assert "DCVS-1104-400" in line
    if form == "corrupt":
        assert record["_errors"][0]["code"] == "DCVS-1104-400"
        record = json.loads(record["_corrupt_record"])
    if form == "violations":
        (told,) = record["_errors"]["_streamingValidation"]
        assert told["_validationErrors"][0]["pointerToViolation"] == "#/_yourorgname/clicks"
    if form == "list":
        assert record["_errors"][0]["code"] == "DCVS-1104-400"
    if form == "text":
        assert json.loads(record["_errors"])["_streamingValidation"]
    if form == "escaped":
        assert all(isinstance(record[name], str) for name in ("header", "body", "_errors"))
        decoded = codecs.escape_decode(line)[0].decode().replace('"body":"{', '"body":{')
        decoded = decoded.replace('}","header":"{', '},"header":{').replace('}","_errors":"{', '},"_errors":{')
        assert json.loads(decoded.replace('}"', "}"))["_errors"]["_streamingValidation"]
        record = {name: json.loads(record[name]) for name in ("header", "body")}
    assert record["body"]["xdmEntity"] == BAD


async def test_forms_alternate(stream):
    """By default one file holds all forms, one after the other."""
    await stream.post(*(BAD | {"_id": str(number)} for number in range(6)))
    stream.settle()
    (batch,) = await stream.batches("&status=failed")
    kinds = [type(json.loads(line)["_errors"]).__name__ for line in await stream.lines(batch)]
    assert kinds == ["dict", "dict", "list", "str", "str", "list"]


async def test_a_success_batch_may_have_failed_records(stream):
    """Every second window good and bad share a batch with status success; a filter on status alone misses the bad one."""
    for number in range(2):
        await stream.post(GOOD, BAD | {"_id": f"bad{number}"})
        stream.settle()
    batches = list((await stream.batches()).values())
    shapes = sorted((one["status"], one["recordCount"], one["failedRecordCount"]) for one in batches)
    assert shapes == [("failed", 1, 1), ("success", 1, 0), ("success", 2, 1)]
    partly = next(one for one in batches if one["recordCount"] == 2)
    assert len(await stream.lines(partly["id"])) == 1


@pytest.mark.parametrize(("reading", "count"), [("always", 1), ("never", 2)])
async def test_how_failures_are_batched_can_be_chosen(stream, reading, count):
    """Together or apart, in every window."""
    stream.emulator.control(platform={"oddities": {"partial_batches": reading}})
    await stream.post(GOOD, BAD)
    stream.settle()
    assert len(await stream.batches()) == count


async def test_records_vanish_while_a_flow_warms_up(stream):
    """Answered 200, then neither in the dataset nor in a failed batch; every change of the flow begins it anew."""
    stream.emulator.control(platform={"warm_up_seconds": 300})
    await stream.post(GOOD)
    stream.settle()
    assert (await stream.counts())["ingested"] == 1
    path = f"{FLOWS}/flows/{stream.flow}"
    tag = (await stream.platform.call("GET", path)).json()["items"][0]["etag"]
    patch = [{"op": "replace", "path": "/name", "value": "Renamed"}]
    assert (await stream.platform.call("PATCH", path, patch, If_Match=tag)).status_code == 200
    assert all("status" not in one for one in await stream.post(GOOD | {"_id": "lost"}))
    stream.settle()
    counts = await stream.counts()
    assert (counts["ingested"], counts["failed"], counts["vanished"]) == (1, 0, 1)
    page = (await stream.platform.http.get(f"{stream.emulator.url}/dataset?ids=vanished")).json()
    assert page == {"ids": ["lost"], "next_offset": None}


async def test_a_disabled_flow_ingests_nothing(stream):
    """Its records are answered 200 and gone."""
    await stream.platform.call("POST", f"{FLOWS}/flows/{stream.flow}/action?op=disable")
    await stream.post(GOOD)
    stream.settle()
    assert (await stream.counts())["vanished"] == 1


async def test_envelopes_are_checked_by_flow(stream):
    """An unknown flow, another dataset or organisation is refused item by item at once."""
    for change in ({"flowId": "other"}, {"datasetId": "other"}, {"imsOrgId": "other@AdobeOrg"}):
        message = stream.message(GOOD)
        message["header"] |= change
        url = stream.inlet.replace("/collection/", "/collection/batch/")
        answer = await stream.platform.http.post(url, json={"messages": [message]})
        (item,) = answer.json()["responses"]
        assert item["status"] == 400


async def test_an_inlet_with_authentication_wants_a_token(stream):
    """Made with authenticationRequired it answers 401 without a token; a deleted connection 404."""
    base = await stream.platform.base("Second", authenticationRequired=True)
    url = (await stream.platform.connection(base))["auth"]["params"]["inletUrl"]
    assert (await stream.platform.http.post(url, json={})).status_code == 401
    await stream.platform.call("DELETE", f"{FLOWS}/connections/{base}")
    assert (await stream.platform.http.post(url, json={})).status_code == 404


async def test_synchronous_validation_says_why_at_once(stream):
    """On the single endpoint with syncValidation=true a bad record is dropped with its violations, a good one passes."""
    url = f"{stream.inlet}?syncValidation=true"
    bad = await stream.platform.http.post(url, json=stream.message(BAD))
    assert bad.status_code == 400
    (told,) = bad.json()["report"]["cause"]["_streamingValidation"]
    assert (told["keyword"], told["pointerToViolation"]) == ("type", "#/_yourorgname/clicks")
    several = BAD | {"_yourorgname": {"clicks": "x", "campaignId": 5}}
    told = (await stream.platform.http.post(url, json=stream.message(several))).json()["report"]["cause"]
    assert told["_streamingValidation"][0]["message"] == "2 schema violations found"
    good = await stream.platform.http.post(url, json=stream.message(GOOD))
    assert good.json()["syncValidation"] == {"status": "pass"}
    skipped = await stream.platform.http.post(stream.inlet, json=stream.message(BAD))
    assert skipped.json()["syncValidation"] == {"skipped": True}
    stream.settle()
    counts = await stream.counts()
    assert (counts["ingested"], counts["failed"]) == (1, 1)


async def test_a_changed_schema_reaches_validation_later(stream):
    """A new field is in the schema at once, but validation knows it only after the cache; without one at the next batch."""
    stream.emulator.control(platform={"schema_cache_seconds": 900, "oddities": {"evolution_locks": "ingestion"}})
    await stream.post(GOOD)
    stream.settle()
    schema = (
        await stream.platform.call(
            "GET",
            "/data/foundation/schemaregistry/tenant/schemas?property=title==Events",
            Accept="application/vnd.adobe.xed+json",
        )
    ).json()
    group = schema["results"][0]["allOf"][1]["$ref"]
    path = f"/data/foundation/schemaregistry/tenant/fieldgroups/{group.replace(':', '%3A').replace('/', '%2F')}"
    patch = [
        {
            "op": "add",
            "path": "/definitions/customFields/properties/_yourorgname/properties/more",
            "value": {"type": "integer"},
        }
    ]
    assert (await stream.platform.call("PATCH", path, patch)).status_code == 200
    wrong = GOOD | {"_id": "wrong", "_yourorgname": {"more": "text"}}
    await stream.post(wrong)
    stream.settle()
    assert (await stream.counts())["failed"] == 0
    stream.emulator.control(platform={"schema_cache_seconds": 0})
    await stream.post(wrong)
    stream.settle()
    assert (await stream.counts())["failed"] == 1


async def test_the_clock_closes_batches():
    """With a short clock nobody has to ask; after stop and start everything is still there, and the clock runs on."""
    emulator = Emulator(limits=Limits(batch_seconds=0.05), times=Times(warm_up=0))
    async with httpx.AsyncClient(timeout=5) as http:
        async with emulator:
            stream = await Stream(await PlatformClient(emulator, http).sign_in()).set_up()
            await stream.post(GOOD)
            await until(lambda: emulator.ingestion.find(stream.dataset).rows == 1)
        async with emulator:
            await stream.post(GOOD | {"_id": "second"})
            await until(lambda: emulator.ingestion.find(stream.dataset).rows == 2)


SCHEMA = {
    "$id": "https://ns.adobe.com/yourorgname/schemas/preset",
    "type": "object",
    "meta:class": "https://ns.adobe.com/xdm/context/experienceevent",
    "properties": {
        "_id": {"type": "string"},
        "timestamp": {"type": "string", "format": "date-time"},
        "_yourorgname": {"type": "object", "properties": {"clicks": {"type": "integer"}}},
    },
    "required": ["_id", "timestamp"],
}


@pytest.mark.parametrize(("schema", "failed"), [(None, 0), (compile_schema(SCHEMA), 1)])
async def test_the_preset_connection_has_a_dataset_too(schema, failed):
    """Without a schema everything passes there; with one it validates; its batches and files are found by its dataset's id."""
    async with Emulator(limits=Limits(batch_seconds=3600), schema=schema) as emulator, httpx.AsyncClient() as http:
        platform = await PlatformClient(emulator, http).sign_in()
        stream = Stream(platform)
        stream.schema, stream.dataset, stream.flow = emulator.schema_id, emulator.dataset_id, emulator.flow_id
        url = emulator.collection_url.replace("/collection/", "/collection/batch/")
        body = {"messages": [stream.message(GOOD), stream.message(BAD)]}
        assert (await http.post(url, json=body, headers=platform.headers)).status_code == 207
        stream.settle()
        counts = await stream.counts()
        assert (counts["ingested"], counts["failed"]) == (2 - failed, failed)
        assert len(await stream.batches("&status=failed")) == failed
        assert (await platform.call("GET", f"{CATALOG}/dataSets")).json() == {}


async def test_it_can_be_switched_off():
    """Without ingestion the inlet answers as ever, and there is no dataset."""
    async with Emulator(limits=Limits(enabled=False)) as emulator, httpx.AsyncClient() as http:
        platform = await PlatformClient(emulator, http).sign_in()
        stream = Stream(platform)
        stream.schema, stream.dataset, stream.flow = emulator.schema_id, emulator.dataset_id, emulator.flow_id
        answer = await http.post(emulator.collection_url, json=stream.message(BAD), headers=platform.headers)
        assert answer.status_code == 200
        shown = (await http.get(f"{emulator.url}/dataset")).json()
        assert (shown["enabled"], shown["datasets"]) == (False, {})
