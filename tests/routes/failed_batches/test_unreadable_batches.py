"""What happens where AEP does not give a failed batch out, or gives out very much?"""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter

import pytest
import structlog
from failed_batches_scene import HOUR, failed_batch

from bridge.adobe import data_access
from bridge.adobe.pages import Unreadable
from bridge.adobe.reconciliation.refused_record import read_record
from bridge.model.errors import BridgeError, LeadLost
from bridge.routes import failed_batches_fetch
from bridge.testing.later_refusals import CODE


async def test_a_batch_of_very_many_records_needs_little_memory(scene, monkeypatch):
    """Forty parts of records: one part in memory at once, noted one by one, and the next leader goes on within the batch."""
    line = json.dumps({"body": {"xdmEntity": {"_id": "ID", "pad": "x" * 4_000}}, "_errors": [{"code": CODE}]}).encode()
    count, together = 4_000, 100
    monkeypatch.setattr(failed_batches_fetch, "_TOGETHER", together)

    async def records_of(_client, _batch):
        for number in range(count):
            yield read_record(line.replace(b"ID", b"%d" % number))

    failed_batch(scene.emulator, "a")
    monkeypatch.setattr(failed_batches_fetch, "records_of", records_of)
    stored = Counter()

    async def publish(records, *, topic=None):
        assert topic
        stored["letters"] += len(records)

    scene.kafka.publish = publish
    writes = []

    def counts():
        writes.append(1)
        if len(writes) == 5:
            raise LeadLost("killed")

    scene.kafka.lose = counts
    tracemalloc.start()
    with pytest.raises(LeadLost):
        await scene.run()
    scene.kafka.lose = lambda: None
    await scene.run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count <= stored["letters"] <= count + together
    assert peak < 6_000_000


async def test_records_that_aep_does_not_give_out_are_told_once(scene, monkeypatch):
    """Retention took the files: looked for again for an hour, then counted, told with the batch, and done with."""
    failed_batch(scene.emulator, "a", "b", "c")

    async def gone(_client, _batch):
        return []

    monkeypatch.setattr("bridge.adobe.reconciliation.refused_record.failed_files", gone)
    await scene.run()
    assert scene.missing() == 0
    scene.later(1.5 * HOUR)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await scene.run()
    assert scene.missing() == 3
    assert [(one["counted"], one["read"]) for one in logs if one["event"] == "failed_records_missing"] == [(3, 0)]


async def test_a_batch_that_cannot_be_read_is_tried_again_and_does_not_stand_before_the_others(scene, monkeypatch):
    """The run fails, so that it is told, after the others are stored; the next one reads it, however much later."""
    failed_batch(scene.emulator, "first")
    failed_batch(scene.emulator, "second")
    real, broken = data_access.failed_files, []

    async def files(client, identifier):
        broken.append(identifier)
        if identifier == broken[0]:
            raise Unreadable("a failed record is too long")
        return await real(client, identifier)

    monkeypatch.setattr("bridge.adobe.reconciliation.refused_record.failed_files", files)
    with pytest.raises(BridgeError, match="too long"):
        await scene.run()
    assert scene.kafka.ids().total() == 1
    scene.later(40 * HOUR)
    with pytest.raises(BridgeError):
        await scene.run()
    monkeypatch.setattr("bridge.adobe.reconciliation.refused_record.failed_files", real)
    await scene.run()
    assert scene.kafka.ids() == Counter(["first", "second"])


async def test_without_rights_the_error_says_what_to_do(scene):
    """403: the role to add, or the setting that turns it off."""
    failed_batch(scene.emulator, "a")
    scene.emulator.control(platform={"permissions": []})
    with pytest.raises(BridgeError) as caught:
        await scene.run()
    assert "403" in str(caught.value)
    assert "role" in caught.value.hint.lower()
    assert "BRIDGE_AEP__FAILED_BATCHES_SECONDS=0" in caught.value.hint
    scene.emulator.control(platform={"permissions": None})
    await scene.run()
    assert scene.kafka.ids() == Counter(["a"])
