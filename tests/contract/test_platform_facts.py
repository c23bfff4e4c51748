"""The emulated platform APIs held to Adobe's documents: one table, a row a documented fact.

Each row is a call to a sandbox in which a stream was set up through the same APIs (schema with union tag, dataset, connection,
dataflow, mapping set, a batch with one good and one bad record), with the status and the words that its answer must have.
"""

from __future__ import annotations

import httpx
import pytest
from platform_client import (
    CATALOG,
    CONVERSION,
    DATA_LAKE,
    EVENT_CLASS,
    EXPORT,
    FLOWS,
    FULL,
    IDS,
    NAMESPACES,
    REGISTRY,
    STREAMING,
    XED,
    PlatformClient,
    encoded,
    field_group,
)

from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.ingestion.dataset_rules import Limits
from bridge.emulators.adobe.platform.sandbox import Times

SCHEMAS, GROUPS = f"{REGISTRY}/tenant/schemas", f"{REGISTRY}/tenant/fieldgroups"
SETS, CONVERT = f"{CATALOG}/dataSets", f"{CONVERSION}/mappingSets"
RENAME = [{"op": "replace", "path": "/name", "value": "New"}]
TAG = [{"op": "add", "path": "/tags/unifiedProfile", "value": ["enabled:true"]}]
GONE = [{"op": "remove", "path": "/definitions/customFields/properties/_yourorgname/properties/clicks"}]
UNTAG = [{"op": "remove", "path": "/meta:immutableTags"}]
DISK = {"name": "x", "connectionSpec": {"id": "unknown"}}
XDM_IDS = "application/vnd.adobe.xdm-id+json"

# fact, method, path, body, headers, status, what the answer holds ("" for nothing in particular; "!" before what it lacks)
FACTS = [
    # gateway
    ("a token is needed", "GET", NAMESPACES, None, {"Authorization": ""}, 403, '"403010"'),
    ("a token is checked", "GET", NAMESPACES, None, {"Authorization": "Bearer x"}, 401, '"401013"'),
    ("a key is needed", "GET", NAMESPACES, None, {"x-api-key": ""}, 403, '"403000"'),
    ("a key is checked", "GET", NAMESPACES, None, {"x-api-key": "x"}, 403, '"403003"'),
    ("an organisation is needed", "GET", NAMESPACES, None, {"x-gw-ims-org-id": ""}, 400, '"400003"'),
    ("a sandbox is apart", "GET", SCHEMAS, None, {"x-sandbox-name": "dev", "Accept": IDS}, 200, '"results":[]'),
    ("an unknown sandbox in Flow Service", "GET", f"{FLOWS}/flows", None, {"x-sandbox-name": "x"}, 404, "FLOW-2100-404"),
    # namespaces
    ("namespaces are a bare array", "GET", NAMESPACES, None, {}, 200, '[{"id":0,"code":"CORE"'),
    ("a namespace is made with 200", "POST", NAMESPACES, {"name": "n", "code": "N1", "idType": "DEVICE"}, {}, 200, '"custom":true'),
    ("a code is taken in any case", "POST", NAMESPACES, {"name": "n", "code": "email", "idType": "EMAIL"}, {}, 409, "INTEGRATION_CODE_EXISTS"),
    ("a namespace is not deleted", "DELETE", f"{NAMESPACES}/6", None, {}, 405, ""),
    ("an unknown namespace", "GET", f"{NAMESPACES}/1", None, {}, 404, "NAMESPACE_NOT_FOUND"),
    # registry
    ("the tenant", "GET", f"{REGISTRY}/stats", None, {}, 200, '"tenantId":"yourorgname"'),
    ("titles are unique over all kinds", "POST", GROUPS, field_group("Events"), {}, 400, "XDM-1521-400"),
    ("the holder of a title is named", "POST", GROUPS, field_group("Events"), {}, 400, "{schema}"),
    ("custom fields under the tenant", "POST", GROUPS, field_group("X", tenant="other"), {}, 400, "XDM-1020-400"),
    ("a lookup names a version", "GET", f"{SCHEMAS}/{{id}}", None, {"Accept": XED.partition(";")[0]}, 400, "XDM-1008-400"),
    ("another Accept", "GET", f"{SCHEMAS}/{{id}}", None, {"Accept": "*/*"}, 400, "XDM-1006-400"),
    ("short form", "GET", SCHEMAS, None, {"Accept": IDS}, 200, '"meta:altId"'),
    ("references kept", "GET", f"{SCHEMAS}/{{id}}", None, {"Accept": XED}, 200, '"allOf"'),
    ("resolved", "GET", f"{SCHEMAS}/{{id}}", None, {"Accept": FULL}, 200, '"identityMap"'),
    ("resolved has no references", "GET", f"{SCHEMAS}/{{id}}", None, {"Accept": FULL}, 200, '!"$ref"'),
    ("an unknown resource", "GET", f"{SCHEMAS}/none", None, {"Accept": XED}, 404, "XDM-1010-404"),
    ("the end of a list", "GET", f"{SCHEMAS}?orderby=title", None, {"Accept": IDS}, 200, '"next":null'),
    ("start without orderby", "GET", f"{SCHEMAS}?start=A", None, {"Accept": IDS}, 200, '"results":[]'),
    ("start with orderby", "GET", f"{SCHEMAS}?start=A&orderby=title", None, {"Accept": IDS}, 200, '"title":"Events"'),
    ("filter by title", "GET", f"{SCHEMAS}?property=title==Other", None, {"Accept": IDS}, 200, '"results":[]'),
    ("additive changes only", "PATCH", f"{GROUPS}/{{group}}", GONE, {}, 400, "additive"),
    ("the union tag stays", "PATCH", f"{SCHEMAS}/{{id}}", UNTAG, {}, 400, "XDM-1526-400"),
    ("a profile schema stays", "DELETE", f"{SCHEMAS}/{{id}}", None, {}, 400, "XDM-1526-400"),
    ("a used field group stays", "DELETE", f"{GROUPS}/{{group}}", None, {}, 400, "used"),
    ("a union", "GET", f"{REGISTRY}/tenant/unions/{encoded(EVENT_CLASS + '__union')}", None, {"Accept": FULL}, 200, "_yourorgname"),
    ("descriptors want xdm", "GET", f"{REGISTRY}/tenant/descriptors", None, {"Accept": IDS}, 400, "XDM-1006-400"),
    ("descriptors by type", "GET", f"{REGISTRY}/tenant/descriptors", None, {"Accept": XDM_IDS}, 200, "{}"),
    # catalog
    ("datasets are keyed by id", "GET", SETS, None, {}, 200, '{{"{dataset}":'),
    ("no dataset", "GET", f"{SETS}?name=Other", None, {}, 200, "{}"),
    ("a limit of 0", "GET", f"{SETS}?limit=0", None, {}, 400, ""),
    ("a limit of 101", "GET", f"{SETS}?limit=101", None, {}, 400, ""),
    ("names may be given twice", "POST", SETS, {"name": "Event data", "schemaRef": {"id": "{schema}"}}, {}, 201, '["@/dataSets/'),
    ("the profile tag needs the union tag", "PATCH", f"{SETS}/{{plain}}", TAG, {}, 400, "union"),
    ("a stale version", "PATCH", f"{SETS}/{{dataset}}", {"name": "N"}, {"If-Match": "9.9.9"}, 412, ""),
    ("validate only", "POST", SETS, {"name": "V", "schemaRef": {"id": "{schema}"}}, {"Pragma": "validate-only"}, 200, "validated"),
    ("an unknown dataset is deleted", "DELETE", f"{SETS}/none", None, {}, 200, "[]"),
    # flow service
    ("etags are quoted", "GET", f"{FLOWS}/flows/{{flow}}", None, {}, 200, '"etag":"\\"'),
    ("If-Match is mandatory", "PATCH", f"{FLOWS}/flows/{{flow}}", RENAME, {}, 400, "FLOW-1403-400"),
    ("If-Match goes stale", "PATCH", f"{FLOWS}/flows/{{flow}}", RENAME, {"If-Match": '"x"'}, 412, "FLOW-1404-412"),
    ("names of connections may be given twice", "POST", f"{FLOWS}/connections", {"name": "Account", "connectionSpec": {"id": DATA_LAKE}}, {}, 201, '"etag"'),
    ("an unknown spec", "POST", f"{FLOWS}/connections", DISK, {}, 400, "FLOW-1413-400"),
    ("state cannot be set", "POST", f"{FLOWS}/connections", DISK | {"connectionSpec": {"id": DATA_LAKE}, "state": "enabled"}, {}, 400, "FLOW-1410-400"),
    ("a target is in the lake", "POST", f"{FLOWS}/targetConnections", {"name": "t", "connectionSpec": {"id": STREAMING}}, {}, 400, "FLOW-1307-400"),
    ("an inlet has 64 digits", "GET", f"{FLOWS}/connections/{{base}}", None, {}, 200, "/collection/{inlet}"),
    ("a base in use", "DELETE", f"{FLOWS}/connections/{{base}}", None, {}, 400, "FLOW-1418-400"),
    ("an unknown flow", "GET", f"{FLOWS}/flows/none", None, {}, 404, "FLOW-1439-404"),
    ("no tilde", "GET", f"{FLOWS}/flows?property=name~F", None, {}, 400, "FLOW-1440-400"),
    ("count excludes limit", "GET", f"{FLOWS}/flows?count=true&limit=1", None, {}, 400, "FLOW-1401-400"),
    ("filter into an array", "GET", f"{FLOWS}/flows?property=sourceConnectionIds[]==none", None, {}, 200, '"items":[]'),
    ("more pages by a token", "GET", f"{FLOWS}/targetConnections?limit=1", None, {}, 200, "continuationToken="),
    ("runs count records", "GET", f"{FLOWS}/runs?property=flowId=={{flow}}", None, {}, 200, '"failedRecordCount":1'),
    # data prep
    ("start and limit are required", "GET", f"{CONVERT}?limit=5", None, {}, 400, ""),
    ("the count may be zero", "GET", f"{CONVERT}?start=0&limit=5", None, {}, 200, '"_page":{{"count":0,"limit":5}}'),
    ("types are rewritten", "GET", f"{CONVERT}/{{set}}", None, {}, 200, "text/x.schema-path"),
    ("old names are added", "GET", f"{CONVERT}/{{set}}", None, {}, 200, "destinationXdmPath"),
    ("the schema is expanded", "GET", f"{CONVERT}/{{set}}", None, {}, 200, "jsonSchema"),
    ("an expression is checked", "POST", f"{CONVERSION}/languages/el/validate", {"expression": "upper(a)"}, {}, 200, "succeeded"),
    # ingestion
    ("failed batches are listed", "GET", f"{CATALOG}/batches?dataSet={{dataset}}&status=failed", None, {}, 200, '"failedRecordCount":1'),
    ("a failure has its code", "GET", f"{CATALOG}/batches?dataSet={{dataset}}&status=failed", None, {}, 200, "DCVS-1104-400"),
    ("files of a failed batch", "GET", f"{EXPORT}/batches/{{batch}}/failed", None, {}, 200, '"name":"_SUCCESS","length":"0"'),
    ("records of a failed batch", "GET", f"{EXPORT}/batches/{{batch}}/failed?path={{part}}", None, {}, 200, '"_errors"'),
    ("diagnostics", "GET", f"{EXPORT}/batches/{{batch}}/meta", None, {}, 200, "row_errors_sample.json"),
    ("the preview has what passed", "GET", f"{EXPORT}/datasets/{{dataset}}/preview", None, {}, 200, '"_id":"good"'),
    ("the preview lacks what failed", "GET", f"{EXPORT}/datasets/{{dataset}}/preview", None, {}, 200, '!"_id":"bad"'),
    # profile
    ("Profile is not for everyone", "GET", "/data/core/ups/access/entities?entityId=a&entityIdNS=Email", None, {}, 403, "UPS-ACC-1000004"),
]  # fmt: skip


@pytest.fixture
async def stage():
    """A client, and the names that the table's braces stand for."""
    limits, times = Limits(batch_seconds=3600), Times(warm_up=0)
    async with Emulator(sandboxes=("prod", "dev"), limits=limits, times=times) as emulator, httpx.AsyncClient() as http:
        platform = await PlatformClient(emulator, http).sign_in()
        emulator.control(platform={"oddities": {"partial_batches": "never"}})
        yield platform, await set_up(platform)


async def set_up(platform):
    """A stream with one good and one bad record behind it."""
    group = await platform.field_group()
    schema = await platform.schema("Events", group["$id"], union=True)
    plain = await platform.schema("Plain", group["$id"])
    dataset = await platform.dataset(schema["$id"], enableErrorDiagnostics=True)
    base = await platform.base()
    flow = await platform.flow(base, dataset)
    await platform.flow(base, dataset, name="Second")
    params = (await platform.connection(base))["auth"]["params"]
    reference = {"id": schema["$id"], "contentType": "application/vnd.adobe.xed-full+json;version=1"}
    header = {
        "schemaRef": reference,
        "imsOrgId": platform.emulator.org_id,
        "datasetId": dataset,
        "flowId": flow,
        "source": {"name": "table"},
    }
    messages = [
        {"header": header, "body": {"xdmMeta": {"schemaRef": reference}, "xdmEntity": event}}
        for event in (
            {"_id": "good", "timestamp": "2026-11-26T08:00:00Z"},
            {"_id": "bad", "timestamp": "2026-11-26T08:00:00Z", "_yourorgname": {"clicks": "many"}},
        )
    ]
    url = params["inletUrl"].replace("/collection/", "/collection/batch/")
    assert (await platform.http.post(url, json={"messages": messages})).status_code == 207
    platform.emulator.control(platform={"settle": True})
    rows = [{"sourceType": "ATTRIBUTE", "source": "id", "destination": "_id"}]
    made = await platform.made(CONVERT, {"outputSchema": {"schemaRef": reference}, "mappings": rows})
    (batch,) = (await platform.call("GET", f"{CATALOG}/batches?dataSet={dataset}&status=failed")).json()
    part = (await platform.call("GET", f"{EXPORT}/batches/{batch}/failed")).json()["data"][1]["name"]
    return {
        "schema": schema["$id"],
        "id": schema["meta:altId"],
        "group": group["meta:altId"],
        "dataset": dataset,
        "plain": await platform.dataset(plain["$id"], "Plain"),
        "base": base,
        "inlet": params["inletId"],
        "flow": flow,
        "set": made["id"],
        "batch": batch,
        "part": part,
    }


def filled(value, names):
    """The value with what its braces stand for, in texts at any depth."""
    if isinstance(value, dict):
        return {key: filled(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    for name, text in names.items() if isinstance(value, str) else ():
        value = value.replace(f"{{{name}}}", text)
    return value


@pytest.mark.parametrize("row", FACTS, ids=[row[0] for row in FACTS])
async def test_the_platform_answers_as_documented(stage, row):
    """One documented fact: the call has this status and its answer holds, or lacks, these words."""
    _, method, path, body, headers, status, holds = row
    platform, names = stage
    answer = await platform.call(method, filled(path, names), filled(body, names), **headers)
    assert answer.status_code == status, answer.text
    wanted = filled(holds, names).replace("{{", "{").replace("}}", "}")
    if wanted.startswith("!"):
        assert wanted[1:] not in answer.text
    else:
        assert wanted in answer.text


def test_the_table_names_each_fact_once():
    """No row hides another."""
    assert len({row[0] for row in FACTS}) == len(FACTS)
