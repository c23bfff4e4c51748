"""Batches as Catalog and Data Access show them: pages, files, counts, and how long they are kept."""

from __future__ import annotations

import json

import pytest
from platform_client import CATALOG, EXPORT

from bridge.emulators.adobe.ingestion.dataset_rules import Limits

GOOD = {"_id": "good", "timestamp": "2026-11-26T08:00:00Z", "_yourorgname": {"clicks": 1}}
BAD = {"_id": "bad", "timestamp": "2026-11-26T08:00:00Z", "_yourorgname": {"clicks": "many"}}


@pytest.mark.parametrize(
    ("reading", "names"),
    [
        ("documented", {"inputRecordCount", "outputRecordCount", "failedRecordCount", "inputByteSize"}),
        ("lake", {"recordsRead", "recordsWritten", "recordsFailed"}),
        ("none", set()),
    ],
)
async def test_names_of_counts_differ_by_producer(stream, reading, names):
    """A batch has one set of names or another, or none; status failed may read failure."""
    stream.emulator.control(platform={"oddities": {"batch_metrics": reading, "batch_status": "failure"}})
    await stream.post(BAD)
    stream.settle()
    (batch,) = (await stream.batches("&status=failure")).values()
    assert set(batch.get("metrics", {})) == names
    assert ("recordCount" in batch) == (reading == "documented")


async def test_metrics_of_streaming(stream):
    """The names that Adobe's client reads of streaming batches."""
    stream.emulator.control(platform={"oddities": {"batch_metrics": "streaming"}})
    await stream.post(BAD)
    stream.settle()
    (batch,) = (await stream.batches()).values()
    counts = {
        "recordsSize": 1,
        "invalidRecordCount": 1,
        "invalidRecordsStreamingValidation": 1,
        "invalidRecordsMapper": 0,
    }
    assert batch["metrics"] | counts == batch["metrics"]


async def test_files_of_a_failed_batch(stream):
    """_SUCCESS and parts with lengths as text and links; a page of 100; an unknown file or batch is 404; ranges work."""
    await stream.post(BAD)
    stream.settle()
    (batch,) = await stream.batches("&status=failed")
    path = f"{EXPORT}/batches/{batch}/failed"
    listed = (await stream.platform.call("GET", path)).json()
    assert listed["_page"] == {"limit": 100, "count": 2}
    assert next(one["name"] for one in listed["data"]) == "_SUCCESS"
    part = listed["data"][1]
    whole = await stream.platform.http.get(part["_links"]["self"]["href"], headers=stream.platform.headers)
    assert part["length"] == str(len(whole.content))
    ranged = await stream.platform.call("GET", f"{path}?path={part['name']}", Range="bytes=0-9")
    assert (ranged.status_code, ranged.content) == (206, whole.content[:10])
    head = await stream.platform.call("HEAD", f"{path}?path={part['name']}")
    assert head.headers["Content-Length"] == part["length"]
    assert (await stream.platform.call("GET", f"{path}?path=none")).status_code == 404
    assert (await stream.platform.call("GET", f"{EXPORT}/batches/none/failed")).status_code == 404
    assert (await stream.platform.call("GET", f"{path}?limit=1&start=1")).json()["data"] == [part]
    assert (await stream.platform.call("GET", f"{path}?limit=101")).status_code == 400


async def test_diagnostics(stream):
    """Meta lists row errors and a sample where diagnostics were on, and nothing where they were off."""
    await stream.post(BAD)
    stream.settle()
    (batch,) = await stream.batches("&status=failed")
    path = f"{EXPORT}/batches/{batch}/meta"
    names = [one["name"] for one in (await stream.platform.call("GET", path)).json()["data"]]
    assert names == ["row_errors", "input_files", "row_errors_sample.json"]
    (file,) = (await stream.platform.call("GET", f"{path}?path=row_errors")).json()["data"]
    assert file["name"] == "parsing_errors_0.json"
    text = (await stream.platform.call("GET", f"{path}?path=row_errors/{file['name']}")).text
    assert json.loads(text)["_errors"][0]["code"] == "DCVS-1104-400"
    assert "DCVS-1104" in (await stream.platform.call("GET", f"{path}?path=row_errors_sample.json")).text
    await stream.platform.call("PATCH", f"{CATALOG}/dataSets/{stream.dataset}", {"enableErrorDiagnostics": False})
    assert (await stream.platform.call("GET", path)).json()["data"] == []


async def test_files_of_a_good_batch(stream):
    """The files of a success batch lead to the rows it holds."""
    await stream.post(GOOD)
    stream.settle()
    (batch,) = await stream.batches()
    (row,) = (await stream.platform.call("GET", f"{EXPORT}/batches/{batch}/files")).json()["data"]
    (file,) = (await stream.platform.call("GET", f"{EXPORT}/files/{row['dataSetFileId']}")).json()["data"]
    text = (await stream.platform.call("GET", f"{EXPORT}/files/{row['dataSetFileId']}?path={file['name']}")).text
    assert json.loads(text) == GOOD


async def test_batches_are_paged_ordered_and_filtered(stream):
    """20 by default, newest first on demand, createdAfter exclusive; lastBatches has the newest one; one is keyed by its id."""
    for number in range(22):
        await stream.post(GOOD | {"_id": str(number)})
        stream.settle()
    assert len(await stream.batches()) == 20
    newest = list((await stream.batches("&orderBy=desc:created&limit=100")).values())
    assert len(newest) == 22
    created = [one["created"] for one in newest]
    assert created == sorted(created, reverse=True)
    later = await stream.batches(f"&createdAfter={created[0]}&limit=100")
    assert later == {}
    last = (await stream.platform.call("GET", f"{CATALOG}/lastBatches?dataSetId={stream.dataset}")).json()
    assert len(last) == 1
    (identifier,) = last
    assert (await stream.platform.call("GET", f"{CATALOG}/batches/{identifier}")).json().keys() == {identifier}
    assert (await stream.platform.call("GET", f"{CATALOG}/batches/none")).status_code == 404
    assert (await stream.platform.call("GET", f"{CATALOG}/batches?dataSet=other")).json() == {}


async def test_compaction_replaces_batches(stream):
    """On demand every third success batch makes one that replaces them: who counts all counts twice."""
    stream.emulator.control(platform={"oddities": {"compaction": "on"}})
    for number in range(3):
        await stream.post(GOOD | {"_id": str(number)})
        stream.settle()
    batches = await stream.batches()
    replaced = [one for one in batches.values() if "acp_successor" in one["tags"]]
    assert (len(batches), len(replaced)) == (4, 3)
    successor = batches[replaced[0]["tags"]["acp_successor"][0]]
    assert (successor["recordCount"], successor["replay"]["reason"]) == (3, "compaction")
    assert set(successor["replay"]["predecessors"]) == {one["id"] for one in replaced}


async def test_failed_batches_expire(stream):
    """Beyond the retention they are gone from Catalog and Data Access, and counted."""
    store = stream.emulator.ingestion
    await stream.post(BAD)
    stream.settle()
    (batch,) = await stream.batches("&status=failed")
    dataset = store.find(stream.dataset)
    dataset.limits = Limits(retention_seconds=0)
    stream.emulator.control(platform={"expire": True})
    assert await stream.batches("&status=failed") == {}
    assert (await stream.platform.call("GET", f"{EXPORT}/batches/{batch}/failed")).status_code == 404
    assert (await stream.counts())["expired_batches"] == 1


async def test_what_is_kept_is_bounded(stream):
    """A full queue closes its batch at once; the oldest failed lines and batches make way."""
    dataset = stream.emulator.ingestion.store(stream.emulator.platform.sandboxes["prod"], stream.dataset)
    dataset.limits = Limits(queue_records=10, failed_records=15, batches=50)
    for number in range(5):
        await stream.post(*(BAD | {"_id": f"{number}-{one}"} for one in range(10)))
    counts = await stream.counts()
    assert (counts["queued"], counts["failed"]) == (0, 50)
    kept = [len(one.lines) for one in dataset.batches.values()]
    assert sum(kept) <= 15
    assert counts["expired_batches"] == 4
    dataset.limits = Limits(queue_records=1, batches=3)
    for number in range(6):
        await stream.post(GOOD | {"_id": str(number)})
    assert len(dataset.batches) <= 3


async def test_the_dataset_is_shown_with_its_ids(stream):
    """GET /dataset counts records and distinct ids; ids come by kind and page; an unknown kind is 400."""
    await stream.post(*(GOOD | {"_id": str(number)} for number in range(5)), GOOD | {"_id": "0"}, BAD)
    stream.settle()
    url = f"{stream.emulator.url}/dataset"
    shown = (await stream.platform.http.get(url)).json()
    assert (shown["ingested"], shown["ingested_ids"], shown["failed_ids"], shown["queued"]) == (6, 5, 1, 0)
    found, offset = [], 0
    while offset is not None:
        page = (
            await stream.platform.http.get(f"{url}?ids=ingested&limit=2&offset={offset}&dataset={stream.dataset}")
        ).json()
        found, offset = found + page["ids"], page["next_offset"]
    assert sorted(found) == ["0", "1", "2", "3", "4"]
    assert (await stream.platform.http.get(f"{url}?ids=failed")).json()["ids"] == ["bad"]
    assert (await stream.platform.http.get(f"{url}?ids=other")).status_code == 400
    await stream.platform.http.delete(f"{stream.emulator.url}/received")
    assert (await stream.platform.http.get(url)).json()["ingested"] == 0
