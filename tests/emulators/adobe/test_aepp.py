"""Adobe's own Python client (aepp) works against the emulator: schema, dataset, stream, and everything read back.

It runs in an environment of its own below ``.make``, pinned. It judges shapes; the facts are told one by one elsewhere.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from client_environment import interpreter_with

from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.ingestion.dataset_rules import Limits
from bridge.emulators.adobe.platform.sandbox import Times

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def python():
    """The interpreter of an environment that has aepp."""
    return interpreter_with("aepp", HERE / "aepp-requirements.txt")


@pytest.mark.slow
@pytest.mark.prepared
@pytest.mark.timeout(600)
async def test_adobes_own_client_creates_streams_and_reads_back(python):
    """From an empty sandbox to records in the dataset, in a failed batch and through a mapping, by aepp's own calls."""
    async with Emulator(times=Times(warm_up=0), limits=Limits(batch_seconds=0.3)) as emulator:
        # The client decodes failed records only in this form, and lists mapping sets without start.
        readings = {"failed_records": "escaped", "partial_batches": "never", "mapping_list_start": "optional"}
        emulator.control(platform={"oddities": readings})
        command = [HERE / "aepp_session.py", emulator.url, emulator.org_id, emulator.client_id, emulator.client_secret]
        process = await asyncio.create_subprocess_exec(
            python, "-W", "ignore", *map(str, command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, errors = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode == 0, errors.decode()[-3000:] + out.decode()[-3000:]
        said = json.loads(out.decode().splitlines()[-1])
        counts = emulator.ingestion.stores()
        assert [store.rows for _, store in counts] == [4]
    assert said["tenant"] == "_yourorgname"
    assert said["sandboxes"] == ["prod"]
    assert said["policies"] == {"/permissions/manage-schemas": ["*"]}
    assert {"ShopID", "ECID", "Email"} <= set(said["namespaces"])
    assert (said["schemas"], said["groups"], said["datasets"]) == (["Clicks"], ["Click details"], ["Clicks"])
    assert {"_id", "timestamp", "identityMap", "_yourorgname"} <= set(said["fields"])
    assert (said["union"], said["descriptors"], said["dataset"]) == (["union"], 1, True)
    assert (said["flows"], said["accepted"]) == (["Clicks"], 4)
    (failed,) = said["failed"]
    assert failed["errorCode"] == ["DCVS-1104-400"]
    (record,) = said["records"]
    assert record["body"]["xdmEntity"]["_id"] == "bad"
    assert record["_errors"]["_streamingValidation"][0]["code"] == "DCVS-1104-400"
    assert (said["preview"], said["file"]) == (["0", "1", "2"], 3)
    assert said["runs"] == [{"inputRecordCount": 4, "outputRecordCount": 3, "failedRecordCount": 1}]
    assert (said["metric"], said["profile"]) == (3.0, 403)
    assert [one["destination"] for one in said["rules"]] == ["_id", "timestamp", "_yourorgname.clicks"]
    assert (said["version"], said["sets"], said["pinned"]) == (1, 1, 1)
    assert {"inletId", "xactionId", "receivedTimeMs"} <= set(said["raw"])
    assert said["left"] == ["Clicks"]
