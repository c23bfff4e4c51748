"""Exports of an S3 server all the way to AEP: every event accepted once, or a dead letter. ``make backfill`` reads a million."""

from __future__ import annotations

import contextlib
import gzip
import os
import time

import orjson
import psutil
import pytest

from bridge.testing.numbered_events import event, uuid_of
from bridge.testing.rig import Rig
from bridge.testing.s3_server import put

pytestmark = pytest.mark.kafka
_LINES = 20_000


@pytest.mark.timeout(3600)
def test_every_exported_event_is_accepted_once_or_a_dead_letter(  # noqa: PLR0917 - pytest hands fixtures in by name
    kafka, topic, s3, tmp_path, request, capsys
) -> None:
    """Objects of numbered events, each with a bad line, end as one acceptance an event and one dead letter a bad line."""
    count = request.config.getoption("--backfill-events")
    name = f"exports-{os.urandom(4).hex()}"
    store = s3.bucket(name)
    objects = 0
    for first in range(0, count, _LINES):
        numbers = range(first, min(first + _LINES, count))
        day = {"app_name": "Northwind", "export_day": "2025-10-28"}
        text = b"".join(orjson.dumps(day | {"event": event(number)}) + b"\n" for number in numbers)
        objects += 1
        path = f"acme/export_day=2025-10-{1 + objects % 28:02}/event_exports_{objects:032x}.json.gz"
        put(store, path, gzip.compress(text + b'{"event": \n', 1))
    with Rig(kafka, topic, tmp_path, BRIDGE_KAFKA__STATE_TOPIC=topic("state", partitions=1), **s3.environment) as rig:
        worker = rig.worker()
        begun = time.monotonic()
        backfill = rig.run("backfill", f"s3://{name}/acme", "--json")
        peak = 0
        while backfill.alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                peak = max(peak, psutil.Process(backfill.pid).memory_info().rss)
            time.sleep(0.1)
        seconds = time.monotonic() - begun
        assert backfill.wait(1) == 0, backfill.tail()
        rig.wait_drained(within=1_200)
        whole = time.monotonic() - begun
        accepted = rig.emulator.accepted()
        letters = rig.letters()
        worker.stop()
    assert set(accepted) == {uuid_of(number) for number in range(count)}
    assert {times for times, _ in accepted.values()} == {1}
    assert [letter.headers["bridge.code"] for letter in letters] == ["not_json"] * objects
    assert all(f" of s3://{name}/acme/export_day=" in letter.headers["bridge.reason"] for letter in letters)
    with capsys.disabled():
        print(  # noqa: T201 - figures of a run that is asked for
            f"\n{count:,} events of {objects} objects: {seconds:.1f} s into Kafka ({count / seconds:,.0f} events/s),"
            f" peak {peak / 1e6:.0f} MB, {whole:.1f} s until AEP had accepted all"
        )
