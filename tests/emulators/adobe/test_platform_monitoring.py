"""Counts and receipts of the emulated platform: Observability, flow runs, Profile's lookup."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from platform_client import FLOWS, PlatformClient, encoded

from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.ingestion.dataset_rules import Limits
from bridge.emulators.adobe.platform.sandbox import Times

METRICS = "/data/infrastructure/observability/insights/metrics"
ENTITIES = "/data/core/ups/access/entities"
DATASET = "timeseries.ingestion.dataset"
PROFILE = {"unifiedProfile": ["enabled:true"], "unifiedIdentity": ["enabled:true"]}


@pytest.fixture
async def stream():
    """A client and the ids of a stream into which three records went, one of them bad."""
    limits = Limits(batch_seconds=3600)
    async with Emulator(times=Times(warm_up=0), limits=limits) as emulator, httpx.AsyncClient(timeout=5) as http:
        platform = await PlatformClient(emulator, http).sign_in()
        schema = (await platform.schema(union=True))["$id"]
        dataset, base = await platform.dataset(schema, tags=PROFILE), await platform.base()
        flow = await platform.flow(base, dataset)
        params = (await platform.connection(base))["auth"]["params"]
        reference = {"id": schema, "contentType": "application/vnd.adobe.xed-full+json;version=1"}
        header = {
            "schemaRef": reference,
            "imsOrgId": emulator.org_id,
            "datasetId": dataset,
            "flowId": flow,
            "source": {"name": "t"},
        }
        messages = [
            {"header": header, "body": {"xdmMeta": {"schemaRef": reference}, "xdmEntity": event}}
            for event in (event_of("1"), event_of("2"), event_of("3", clicks="many"))
        ]
        url = params["inletUrl"].replace("/collection/", "/collection/batch/")
        assert (await http.post(url, json={"messages": [*messages, {}]})).status_code == 207
        emulator.control(platform={"settle": True})
        yield platform, {"dataset": dataset, "flow": flow, "inlet": params["inletId"]}


def event_of(identifier, clicks=1):
    """An event of one person."""
    who = {"Email": [{"id": "ann@example.com", "primary": True}], "Phone": [{"id": "+4912345"}]}
    return {
        "_id": identifier,
        "timestamp": "2026-11-26T08:00:00Z",
        "identityMap": who,
        "_yourorgname": {"clicks": clicks},
    }


async def metrics(platform, *names, filters=(), granularity="DAY"):
    """Sums over what was answered, by metric."""
    now = datetime.now(UTC)
    body = {
        "start": (now - timedelta(days=1)).isoformat(),
        "end": (now + timedelta(days=1)).isoformat(),
        "granularity": granularity,
        "metrics": [{"name": name, "filters": list(filters), "aggregator": "sum"} for name in names],
    }
    answer = await platform.call("POST", METRICS, body)
    assert answer.status_code == 200, answer.text
    return {
        one["metric"]: sum(sum(point["dps"].values()) for point in one["datapoints"])
        for one in answer.json()["metricResponses"]
    }


async def test_counts_of_a_dataset(stream):
    """Records and batches by day as floats, grouped by dataset; the filter's key is written in three ways."""
    platform, ids = stream
    names = [f"{DATASET}.{name}.count" for name in ("recordsuccess", "batchsuccess", "batchfailed")]
    for key in ("dataSetId", "dataSetID", "dataSets"):
        chosen = [{"name": key, "value": f"other|{ids['dataset']}", "groupBy": True}]
        assert await metrics(platform, *names, filters=chosen) == dict(zip(names, (2.0, 1.0, 1.0), strict=True))
    assert await metrics(platform, *names, filters=[{"name": "dataSetId", "value": "other"}]) == dict.fromkeys(names, 0)
    profile = "timeseries.profiles.dataset.recordread.count"
    assert await metrics(platform, profile, granularity="HOUR") == {profile: 2.0}


async def test_counts_of_an_inlet(stream):
    """Received, accepted and refused; the key of the filter, which nobody documents, can be chosen."""
    platform, ids = stream
    names = [f"timeseries.data.collection.inlet.total.messages.{name}" for name in ("received", "success", "failure")]
    chosen = [{"name": "inletId", "value": ids["inlet"], "groupBy": True}]
    assert await metrics(platform, *names, filters=chosen) == dict(zip(names, (4.0, 3.0, 1.0), strict=True))
    platform.emulator.control(platform={"oddities": {"inlet_metric_filter": "inlet"}})
    chosen[0]["name"] = "inlet"
    assert (await metrics(platform, names[0], filters=chosen))[names[0]] == 4.0


async def test_metrics_lag(stream):
    """What is newer than the lag is not told yet."""
    platform, _ = stream
    name = f"{DATASET}.recordsuccess.count"
    platform.emulator.control(platform={"metrics_lag_seconds": 3600})
    assert await metrics(platform, name) == {name: 0}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "INSGHT-1000-400"),
        ({"metrics": [{"name": "x"}], "start": "never"}, "INSGHT-1000-400"),
        ({"metrics": [{"name": "x"}], "granularity": "YEAR"}, "INSGHT-1001-400"),
        ({"metrics": [{"name": "x"}], "start": "2026-11-26", "end": "2026-11-27"}, "INSGHT-1001-400"),
    ],
)
async def test_wrong_questions(stream, body, code):
    """Each has its code."""
    platform, _ = stream
    assert (await platform.call("POST", METRICS, body)).json()["type"].endswith(code)


async def test_flow_runs(stream):
    """One run an hour with counts, errors and a link to the failed batch; status filters by its spelling."""
    platform, ids = stream
    (run,) = (await platform.call("GET", f"{FLOWS}/runs?property=flowId=={ids['flow']}")).json()["items"]
    numbers = run["metrics"]["recordSummary"]
    assert numbers == {"inputRecordCount": 3, "outputRecordCount": 2, "failedRecordCount": 1}
    summary = run["metrics"]["statusSummary"]
    assert (summary["status"], summary["errors"][0]["code"]) == ("partialSuccess", "DCVS-1104-400")
    assert "/export/batches/" in run["activities"][0]["fileSummary"]["extensions"]["manifest"]["fileInfo"]

    async def count(condition):
        return len((await platform.call("GET", f"{FLOWS}/runs?property={encoded(condition)}")).json()["items"])

    started = run["metrics"]["durationSummary"]["startedAtUTC"]
    assert await count(f"metrics.durationSummary.startedAtUTC>{started - 1}") == 1
    assert await count(f"metrics.durationSummary.startedAtUTC>{started}") == 0
    assert await count("metrics.statusSummary.status==partialSuccess") == 1
    platform.emulator.control(platform={"oddities": {"run_status": "title"}})
    assert await count("metrics.statusSummary.status==PartialSuccess") == 1
    assert (await platform.call("GET", f"{FLOWS}/runs/{run['id']}")).json()["items"][0]["id"] == run["id"]
    assert (await platform.call("GET", f"{FLOWS}/runs/none")).status_code == 404


async def test_profile_is_not_for_everyone(stream):
    """403 unless the organisation has it; then the entity with its identities and datasets, 404 for an unknown one."""
    platform, ids = stream
    path = f"{ENTITIES}?schema.name=_xdm.context.profile&entityId=ann@example.com&entityIdNS=Email"
    refused = await platform.call("GET", path)
    assert (refused.status_code, "UPS-ACC-1000004" in refused.text) == (403, True)
    platform.emulator.control(platform={"oddities": {"profile_lookup": "allowed"}})
    (entity,) = (await platform.call("GET", path)).json().values()
    assert entity["sources"] == [ids["dataset"]]
    assert {one["id"] for one in entity["entity"]["identities"]} == {"ann@example.com", "+4912345"}
    assert (await platform.call("GET", path.replace("ann", "bob"))).status_code == 404
    assert (await platform.call("GET", ENTITIES)).status_code == 400
    events = (
        f"{ENTITIES}?schema.name=_xdm.context.experienceevent&relatedEntityId=ann@example.com&relatedEntityIdNS=email"
    )
    assert {one["entityId"] for one in (await platform.call("GET", events)).json()["children"]} == {"1", "2"}


async def test_an_unknown_identity_in_a_list_dates_from_1970(stream):
    """A POST gives an empty entity for it rather than an error."""
    platform, _ = stream
    platform.emulator.control(platform={"oddities": {"profile_lookup": "allowed"}})
    asked = [{"entityId": one, "entityIdNS": {"code": "Email"}} for one in ("ann@example.com", "bob@example.com")]
    body = {"schema": {"name": "_xdm.context.profile"}, "identities": asked}
    known, unknown = (await platform.call("POST", ENTITIES, body)).json().values()
    assert known["entity"]["identities"]
    assert (unknown["entity"], unknown["lastModifiedAt"]) == ({}, "1970-01-01T00:00:00Z")
