"""docs/backfill.md: what it shows is run, against an S3 server that holds what it speaks of."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from bridge.testing.s3_server import put

pytestmark = pytest.mark.clock

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "backfill.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line, comments=True)[1:] for line in re.findall(r"^aep-bridge backfill .*$", GUIDE, flags=re.MULTILINE)
]
EVENT = {"event_code": "X", "event_uuid": "u-1", "uid": "c-1", "event_time": 1_790_000_000}
LINE = orjson.dumps({"app_name": "A", "event": EVENT}) + b"\n"
FORMS = {
    "acme_events/export_day=2025-10-28/event_exports_0a.json.gz": gzip.compress(LINE),
    "acme_events/export_day=27-10-2025/export_hour=6/event-exports_1.ndjson": LINE,
    "acme_events/export_day=2025-10-26/event_exports_2.json": b"[" + LINE.strip() + b"]",
    "acme_events/export_day=2025-11-01/export_hour=06/x.jsonl.gz": gzip.compress(LINE),
}


@pytest.fixture(scope="module")
def place(s3, tmp_path_factory):
    """A folder with the guide's file, and the environment in which its bucket is reached."""
    store = s3.bucket("acme-exports")
    for path, content in FORMS.items():
        put(store, path, content)
    folder = tmp_path_factory.mktemp("backfill")
    (folder / "export-2025-10.json.gz").write_bytes(gzip.compress(LINE))
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("BRIDGE_", "AWS_"))}
    return folder, plain | {"PYTHONPATH": str(ROOT)} | s3.environment


@pytest.mark.parametrize(
    "arguments", [each for each in COMMANDS if not any(part.startswith("gs://") for part in each)], ids=" ".join
)
def test_the_guide_shows_what_happens(arguments, place) -> None:
    """Each command of the guide reads what it says: all forms of the table, or those of the times (without Kafka here)."""
    folder, environment = place
    watches = "--watch" in arguments
    more = [each for each in ("--dry-run", "--json") if each not in arguments]
    command = [sys.executable, "-m", "bridge", *arguments, *more]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE) as process:
        account = orjson.loads(process.stdout.readline())
        if watches:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    wanted = 1 if not arguments[1].startswith("s3://") else 3 if "--until" in arguments else 4
    assert (account["events"], account["complete"]) == (wanted, True)


def test_the_guide_has_its_examples() -> None:
    """The guide shows commands for a file, S3 and Google."""
    assert len(COMMANDS) >= 6
