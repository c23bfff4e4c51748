"""MoEngage's side of the sum, from files and from object storage."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime

import orjson
import pytest

from bridge.routes.reconciliation.exported import exported_ids
from bridge.testing.s3_server import put


class Ids:
    """Stands for the table."""

    def __init__(self) -> None:
        self.found: list[bytes] = []

    def add_exported(self, identifier: bytes) -> None:
        """Keep it."""
        self.found.append(identifier)


def line(number: int) -> bytes:
    """A line of an export."""
    event = {"event_code": "X", "event_uuid": f"u-{number}", "uid": "c", "event_time": 1_790_000_000}
    return orjson.dumps({"app_name": "A", "event": event}) + b"\n"


@pytest.mark.clock
def test_files_and_the_days_of_an_address(s3, tmp_path, monkeypatch) -> None:
    """A file is read whole; of an address the folders of the days that are asked for, each event by its id."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"sum-{os.urandom(4).hex()}"
    store = s3.bucket(bucket)
    for day in (26, 27, 28, 29):
        put(store, f"c/export_day=2025-10-{day}/x.json", line(day) + b"bad\n")
    file = tmp_path / "export.json"
    file.write_bytes(line(1))
    day = (datetime(2025, 10, 27, tzinfo=UTC).date() - date(1970, 1, 1)).days
    ids, files_only = Ids(), Ids()
    exported_ids([str(file), f"s3://{bucket}/c"], range(day, day + 2), ids, lambda _words: None)
    exported_ids([str(file)], range(day, day + 2), files_only, lambda _words: None)
    assert len(files_only.found) == 1
    assert len(set(ids.found)) == 3
    assert ids.found[0] == files_only.found[0]
