"""What a whole ``sync plan`` takes of memory: rows, marks of the state topic, comparison, mapping set; the same for ten times the rows."""

from __future__ import annotations

import asyncio
import sqlite3
from zoneinfo import ZoneInfo

import pytest
from sync_route import SyncRoute

from bridge.kafka.producer.publisher import KafkaPublisher
from bridge.kafka.route_state.state_log import StateLog
from bridge.settings import KafkaSettings
from bridge.sources.warehouse.marks import RowMark
from bridge.sources.warehouse.rows import RowForm

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(3_600)]
_COLUMNS = ("id", "email", "plan", "visits", "since")
_BATCH = 10_000


def _rows(count):
    return ((f"C-{number}", f"c{number}@example.com", "free", number % 1_000, "2026-01-31") for number in range(count))


def _fill(path, count):
    """A table whose every hundredth row is gone since, and every hundredth another."""
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT, plan TEXT, visits INTEGER, since TEXT)")
        base.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?)", _rows(count))
        gone = base.execute("DELETE FROM users WHERE visits % 100 = 3").rowcount
        changed = base.execute("UPDATE users SET plan = 'gold' WHERE visits % 100 = 7").rowcount
    base.close()
    return gone, changed


async def _remember(route, count):
    """Write the marks of all rows as they were, as a worker would have written them."""
    kafka = KafkaSettings(
        bootstrap_servers=[route.kafka],
        topic=route.topic,
        state_topic=route.state,
        create_topics=True,
        replication_factor=1,
    )
    form = RowForm(_COLUMNS, key=("id",), users=True, zone=ZoneInfo("UTC"))
    async with KafkaPublisher(kafka, route="crm") as publisher:
        log = StateLog(kafka, "crm", publisher, same_partitions=True)
        await log.open()
        entries = []
        for values in _rows(count):
            row = form.read(values)
            entries.append((row.key.encode(), RowMark(row.hash, "20260101T000000").to_bytes()))
            if len(entries) == _BATCH:
                await log.append(None, entries)
                entries = []
        await log.append(None, entries)


def _planned(kafka, topic, folder, count):
    """The plan of a table of so many rows, and the memory that it took in MB."""
    folder.mkdir()
    gone, changed = _fill(folder / "shop.db", count)
    warehouse = {"url": f"sqlite:///{folder / 'shop.db'}", "table": "users", "key": "id", "mode": "mirror"}
    route = SyncRoute(kafka, topic, folder, warehouse=warehouse)
    asyncio.run(_remember(route, count))
    planned, peak = route.sync_apart("plan")
    assert (planned["rows"], planned["vanished"], planned["changed"]) == (count - gone, gone, changed)
    assert planned["unchanged"] == count - gone - changed
    return peak


def test_memory_is_flat(kafka, topic, tmp_path, request, capsys):
    """Ten times as many rows, all of them known and some changed or gone, take less than 20 MB more."""
    rows = request.config.getoption("--sync-memory-rows")
    peaks = [_planned(kafka, topic, tmp_path / str(count), count) for count in (rows, 10 * rows)]
    with capsys.disabled():
        print(f"\n{rows:,} rows {peaks[0]:.0f} MB, {10 * rows:,} rows {peaks[1]:.0f} MB")  # noqa: T201 - figures
    assert peaks[1] - peaks[0] < 20
