"""The emulated Data Prep, and raw records through a dataflow with mapping, fact by fact as Adobe documents them."""

from __future__ import annotations

import json

import httpx
import pytest
from platform_client import CATALOG, CONVERSION, EXPORT, FLOWS, PlatformClient, encoded

from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.ingestion.dataset_rules import Limits
from bridge.emulators.adobe.platform.sandbox import Times

SETS = f"{CONVERSION}/mappingSets"
ROWS = [
    {"sourceType": "ATTRIBUTE", "source": "id", "destination": "_id"},
    {"sourceType": "EXPRESSION", "source": 'concat(day, "T00:00:00Z")', "destination": "timestamp"},
    {"sourceType": "ATTRIBUTE", "source": "clicks", "destination": "_yourorgname.clicks"},
    {"sourceType": "STATIC", "source": "spring", "destination": "_yourorgname.campaignId"},
]


@pytest.fixture
async def platform():
    """A client in an emulator whose batches are closed by hand."""
    limits = Limits(batch_seconds=3600)
    async with Emulator(times=Times(warm_up=0), limits=limits) as emulator, httpx.AsyncClient(timeout=5) as http:
        yield await PlatformClient(emulator, http).sign_in()


def mapping_set(schema, rows=ROWS, **more):
    """The body of a mapping set."""
    reference = {"id": schema, "contentType": "application/vnd.adobe.xed-full+json;version=1"}
    return {"outputSchema": {"schemaRef": reference}, "mappings": rows, **more}


async def test_a_set_comes_back_rewritten(platform):
    """200 with id and version 0; the type has another word, and old names and more keys stand beside what was sent."""
    schema = (await platform.schema())["$id"]
    made = await platform.call("POST", SETS, mapping_set(schema, name="Set"))
    assert (made.status_code, made.json()["version"]) == (200, 0)
    shown = (await platform.call("GET", f"{SETS}/{made.json()['id']}")).json()
    first = shown["mappings"][0]
    assert first["sourceType"] == "text/x.schema-path"
    assert (first["source"], first["sourceAttribute"], first["destinationXdmPath"]) == ("id", "id", "_id")
    assert {"id", "version", "identity", "primaryIdentity", "matchScore", "functionVersion"} <= first.keys()
    assert {
        "supportVersion",
        "status",
        "strictMapping",
        "allowNullValues",
        "xdmVersion",
        "schemaRef",
        "xdmSchema",
    } <= shown.keys()
    assert "jsonSchema" in shown["outputSchema"]
    listed = (await platform.call("GET", f"{SETS}/{shown['id']}/mappings")).json()
    assert listed == shown["mappings"]
    assert (await platform.call("GET", f"{SETS}/{shown['id']}/mappings/{first['id']}")).json() == first


async def test_versions_stay_readable(platform):
    """PUT makes the next version; the one before is still there, one that never was is 404."""
    schema = (await platform.schema())["$id"]
    path = f"{SETS}/{(await platform.made(SETS, mapping_set(schema)))['id']}"
    assert (await platform.call("PUT", path, mapping_set(schema, ROWS[:2]))).json()["version"] == 1
    assert len((await platform.call("GET", path)).json()["mappings"]) == 2
    assert len((await platform.call("GET", f"{path}?version=0")).json()["mappings"]) == 4
    assert (await platform.call("GET", f"{path}?version=7")).status_code == 404
    assert (await platform.call("GET", f"{SETS}/none")).status_code == 404


async def test_a_list_wants_start_and_limit(platform):
    """Without both it is 400; the count may be zero beside rows; by name, newest first."""
    schema = (await platform.schema())["$id"]
    for name in ("A", "B", "B"):
        await platform.made(SETS, mapping_set(schema, name=name))
    for query in ("", "?start=0", "?limit=5"):
        assert (await platform.call("GET", SETS + query)).status_code == 400
    page = (await platform.call("GET", f"{SETS}?start=1&limit=2")).json()
    assert (len(page["data"]), page["_page"]) == (2, {"count": 0, "limit": 2})
    assert len((await platform.call("GET", f"{SETS}?start=0&limit=9&name=B")).json()["data"]) == 2
    of_schema = f"property=xdmSchema=={encoded(schema)}&start=0&limit=9"
    assert len((await platform.call("GET", f"{SETS}?{of_schema}")).json()["data"]) == 3
    assert (await platform.call("GET", f"{SETS}?property=status==PUBLISHED&start=0&limit=9")).json()["data"] == []
    readings = {"mapping_page_count": "right", "mapping_set_names": "unique", "mapping_list_start": "optional"}
    platform.emulator.control(platform={"oddities": readings})
    assert (await platform.call("GET", f"{SETS}?limit=2")).json()["_page"]["count"] == 2
    assert (await platform.call("GET", f"{SETS}?start=0&limit=9")).json()["_page"]["count"] == 3
    assert (await platform.call("POST", SETS, mapping_set(schema, name="A"))).status_code == 409


async def test_a_set_is_deleted_or_cannot_be(platform):
    """DELETE, which only Adobe's own client knows, under both readings."""
    schema = (await platform.schema())["$id"]
    path = f"{SETS}/{(await platform.made(SETS, mapping_set(schema)))['id']}"
    platform.emulator.control(platform={"oddities": {"mapping_delete": "missing"}})
    assert (await platform.call("DELETE", path)).status_code == 405
    platform.emulator.control(platform={"oddities": {"mapping_delete": "allowed"}})
    assert (await platform.call("DELETE", path)).status_code == 204
    assert (await platform.call("GET", path)).status_code == 404


async def test_validate_tells_row_by_row(platform):
    """200 with an entry for each mapping; nothing is stored; validate=true refuses a creation, and a flow takes no such set."""
    schema = (await platform.schema())["$id"]
    rows = [
        ROWS[0],
        {"sourceType": "EXPRESSION", "source": "concat(", "destination": "_id"},
        ROWS[0] | {"destination": "_yourorgname.none"},
    ]
    answer = await platform.call("POST", f"{SETS}/validate", mapping_set(schema, rows))
    assert [one["status"] for one in answer.json()["validationResponse"]] == ["SUCCESS", "FAILED", "FAILED"]
    assert answer.json()["validationResponse"][0]["errors"] is None
    assert (await platform.call("GET", f"{SETS}?start=0&limit=9")).json()["data"] == []
    assert (await platform.call("POST", f"{SETS}?validate=true", mapping_set(schema, rows))).status_code == 400
    assert (await platform.call("POST", SETS, mapping_set("https://other"))).status_code == 400
    made = await platform.made(SETS, mapping_set(schema, rows[:2]))
    dataset, base = await platform.dataset(schema), await platform.base(dataType="raw")
    with pytest.raises(AssertionError, match="FLOW-1419-400"):
        await platform.flow(base, dataset, {"mappingId": made["id"], "mappingVersion": 0})


async def test_preview_maps_rows(platform):
    """An array (or one object) of data and errors; a failing row is an error object of Data Prep's."""
    schema = (await platform.schema())["$id"]
    rows = [*ROWS[:3], {"sourceType": "EXPRESSION", "source": "to_integer(word)", "destination": "_yourorgname.clicks"}]
    body = {"data": [{"id": "1", "day": "2026-11-26", "clicks": 2}], "mappingSet": mapping_set(schema, rows[:3])}
    (shown,) = (await platform.call("POST", f"{SETS}/preview", body)).json()
    assert shown == {
        "data": {"_id": "1", "timestamp": "2026-11-26T00:00:00Z", "_yourorgname": {"clicks": 2}},
        "errors": None,
    }
    body["mappingSet"]["mappings"] = [*rows[:2], rows[3]]
    body["data"][0]["word"] = "many"
    (failed,) = (await platform.call("POST", f"{SETS}/preview", body)).json()
    assert failed["errors"][0] | {"source": "to_integer(word)", "sourceType": "EXPRESSION"} == failed["errors"][0]
    platform.emulator.control(platform={"oddities": {"preview_shape": "object"}})
    assert (await platform.call("POST", f"{SETS}/preview", body)).json() == failed
    body["mappingSet"]["mappings"] = [{"sourceType": "EXPRESSION", "source": "concat(", "destination": "_id"}]
    assert (await platform.call("POST", f"{SETS}/preview", body)).status_code == 400


async def test_the_language(platform):
    """An expression is checked, in words or as a boolean; functions and operators are listed."""
    path = f"{CONVERSION}/languages/el"
    right, wrong = {"expression": 'concat("a", "b")'}, {"expression": "concat("}
    assert (await platform.call("POST", f"{path}/validate", right)).json() == {
        "validationStatus": "succeeded",
        "error": "none",
    }
    assert (await platform.call("POST", f"{path}/validate", wrong)).json()["validationStatus"] == "failed"
    platform.emulator.control(platform={"oddities": {"expression_answer": "boolean"}})
    assert (await platform.call("POST", f"{path}/validate", right)).json()["validationStatus"] is True
    functions = (await platform.call("GET", f"{path}/functions")).json()
    assert {"category", "function", "syntax", "returnType", "params", "since"} == functions[0].keys()
    assert "concat" in {one["function"] for one in functions}
    assert (await platform.call("GET", f"{path}/operators")).json()[0]["operatorSymbol"] == "+"


async def test_samples_and_schemas_of_the_mapper(platform):
    """Stored with a version that PUT raises; lists want start and limit."""
    for kind in ("samples", "schemas"):
        made = (await platform.call("POST", f"{CONVERSION}/{kind}", {"sampleData": "{}", "sampleType": "JSON"})).json()
        path = f"{CONVERSION}/{kind}/{made['id']}"
        assert made["version"] == 0
        assert (await platform.call("PUT", path, {"sampleData": "[]"})).json()["version"] == 1
        assert (await platform.call("GET", path)).json()["sampleData"] == "[]"
        assert (await platform.call("GET", f"{CONVERSION}/{kind}")).status_code == 400
        assert len((await platform.call("GET", f"{CONVERSION}/{kind}?start=0&limit=5")).json()["data"]) == 1


@pytest.fixture
async def raw(platform):
    """The client, and a raw stream: dataset, flow, URL of its batch endpoint, mapping set."""
    schema = (await platform.schema())["$id"]
    dataset = await platform.dataset(schema, enableErrorDiagnostics=True)
    made = await platform.made(SETS, mapping_set(schema))
    base = await platform.base(dataType="raw")
    flow = await platform.flow(base, dataset, {"mappingId": made["id"], "mappingVersion": "0"})
    url = (await platform.connection(base))["auth"]["params"]["inletUrl"].replace("/collection/", "/collection/batch/")
    return platform, {"schema": schema, "dataset": dataset, "flow": flow, "url": url, "set": made["id"]}


async def post(raw, *records, **headers):
    """Post raw records."""
    platform, ids = raw
    named = {name.replace("_", "-"): value for name, value in headers.items()} or {"x-adobe-flow-id": ids["flow"]}
    return await platform.http.post(ids["url"], json={"messages": records}, headers=named)


async def test_raw_records_are_mapped_by_their_flow(raw):
    """What is in the dataset is XDM; a record that cannot be mapped to the schema is in a failed batch as it was sent."""
    platform, ids = raw
    platform.emulator.control(platform={"oddities": {"failed_records": "codes"}})
    records = [
        {"id": "1", "day": "2026-11-26", "clicks": "7"},
        {"id": "2", "day": "2026-11-26", "clicks": "many"},
        {"id": "3"},
    ]
    assert (await post(raw, *records)).status_code == 207
    platform.emulator.control(platform={"settle": True})
    preview = (await platform.call("GET", f"{EXPORT}/datasets/{ids['dataset']}/preview")).json()["data"]
    assert preview == [
        {"_id": "1", "timestamp": "2026-11-26T00:00:00Z", "_yourorgname": {"clicks": 7, "campaignId": "spring"}}
    ]
    batches = (await platform.call("GET", f"{CATALOG}/batches?dataSet={ids['dataset']}&status=failed")).json()
    ((batch, shown),) = batches.items()
    assert shown["failedRecordCount"] == 2
    (_, part) = (await platform.call("GET", f"{EXPORT}/batches/{batch}/failed")).json()["data"]
    text = (await platform.call("GET", f"{EXPORT}/batches/{batch}/failed?path={part['name']}")).text
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["body"] for line in lines] == records[1:]
    assert all(line["header"] == {"flowId": ids["flow"]} and line["_errors"]["_mapper"] for line in lines)
    meta = (await platform.call("GET", f"{EXPORT}/batches/{batch}/meta?path=row_errors")).json()["data"]
    assert meta[0]["name"] == "conversion_errors_0.json"


async def test_raw_needs_its_flow_in_header_or_query(raw):
    """Without x-adobe-flow-id, or with another's, a raw request is 400; in the query it counts as well."""
    platform, ids = raw
    record = {"id": "1", "day": "2026-11-26"}
    assert (await post(raw, record, x_other="x")).status_code == 400
    assert (await post(raw, record, x_adobe_flow_id="other")).status_code == 400
    answer = await platform.http.post(f"{ids['url']}?x-adobe-flow-id={ids['flow']}", json={"messages": [record]})
    assert answer.status_code == 207


async def test_a_flow_keeps_its_version_until_it_is_patched(raw):
    """A new version of the set changes nothing until the flow names it; then records go by it."""
    platform, ids = raw
    changed = [ROWS[0], ROWS[1], {"sourceType": "STATIC", "source": "autumn", "destination": "_yourorgname.campaignId"}]
    await platform.call("PUT", f"{SETS}/{ids['set']}", mapping_set(ids["schema"], changed))
    path = f"{FLOWS}/flows/{ids['flow']}"
    flow = (await platform.call("GET", path)).json()["items"][0]
    assert flow["transformations"][0]["params"]["mappingVersion"] == 0
    await post(raw, {"id": "1", "day": "2026-11-26"})
    params = {"mappingId": ids["set"], "mappingVersion": 1}
    patch = [{"op": "replace", "path": "/transformations/0", "value": {"name": "Mapping", "params": params}}]
    assert (await platform.call("PATCH", path, patch, If_Match=flow["etag"])).status_code == 200
    await post(raw, {"id": "2", "day": "2026-11-26"})
    platform.emulator.control(platform={"settle": True, "oddities": {"mapping_version_type": "string"}})
    preview = (await platform.call("GET", f"{EXPORT}/datasets/{ids['dataset']}/preview")).json()["data"]
    assert [one["_yourorgname"]["campaignId"] for one in preview] == ["spring", "autumn"]
    flow = (await platform.call("GET", path)).json()["items"][0]
    assert flow["transformations"][0]["params"]["mappingVersion"] == "1"
    params["mappingVersion"] = 9
    refused = await platform.call("PATCH", path, patch, If_Match=flow["etag"])
    assert "FLOW-1412-400" in refused.text


async def test_mapping_and_dataset_have_one_schema(raw):
    """1425 where the set was made for another schema than the dataset's."""
    platform, ids = raw
    other = await platform.schema("Other", (await platform.field_group("Another", {"more": {"type": "string"}}))["$id"])
    dataset = await platform.dataset(other["$id"])
    with pytest.raises(AssertionError, match="FLOW-1425-400"):
        await platform.flow(await platform.base("B", dataType="raw"), dataset, {"mappingId": ids["set"]})
