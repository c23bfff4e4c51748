"""``aep-bridge backfill s3://…`` as a command: from an S3 server into a real broker."""

from __future__ import annotations

import contextlib
import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import obstore
import orjson
import pytest
from confluent_kafka import Consumer, KafkaException

from bridge.testing.kafka.offsets import end_offsets
from bridge.testing.kafka.stored_records import stored
from bridge.testing.processes import eventually, free_port, get
from bridge.testing.s3_server import put

ROOT = Path(__file__).resolve().parents[2]


def lines(first: int, count: int) -> bytes:
    """Lines of an export, numbered."""
    return b"".join(
        orjson.dumps(
            {
                "app_name": "A",
                "export_day": "2025-10-28",
                "event": {
                    "event_code": "X",
                    "event_uuid": f"u-{n}",
                    "uid": f"user-{n % 50}",
                    "event_time": 1_790_000_000,
                },
            }
        )
        + b"\n"
        for n in range(first, first + count)
    )


class Backfill:
    """The command, with topics and a bucket of its own."""

    def __init__(self, kafka: str, s3, directory: Path) -> None:
        name = f"objects-{os.urandom(4).hex()}"
        self.kafka, self.topic, self.bucket, self.directory = kafka, name, name, directory
        self.store = s3.bucket(name)
        settings = {
            "BOOTSTRAP_SERVERS": kafka,
            "TOPIC": name,
            "DEAD_LETTER_TOPIC": f"{name}.dead",
            "STATE_TOPIC": f"{name}.state",
            "CREATE_TOPICS": "true",
        }
        plain = {each: value for each, value in os.environ.items() if not each.startswith(("BRIDGE_", "AWS_"))}
        self.environment = (
            plain | {"PYTHONPATH": str(ROOT)} | s3.environment | {f"BRIDGE_KAFKA__{k}": v for k, v in settings.items()}
        )

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start it."""
        command = [sys.executable, "-m", "bridge", "backfill", *arguments]
        return subprocess.Popen(
            command,
            cwd=self.directory,
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, **variables: str) -> tuple[int, dict, str]:
        """Exit code, account and words."""
        with self.start(*arguments, "--json", **variables) as process:
            out, words = process.communicate(timeout=120)
        return process.returncode, orjson.loads(out) if out else {}, words.decode()

    def ids(self) -> list[str]:
        """The ids of all events in the topic."""
        return [orjson.loads(record.value)["event_uuid"] for record in stored(self.kafka, self.topic)]

    def until_marked(self, count: int, within: float) -> None:
        """Wait until the state topic has so many records; asked for its ends alone, as the command goes on meanwhile."""
        reader = Consumer({"bootstrap.servers": self.kafka, "group.id": "marks", "allow.auto.create.topics": False})
        topic = f"{self.topic}.state"

        def marked() -> bool:
            with contextlib.suppress(KafkaException):
                partitions = reader.list_topics(topic, timeout=5).topics[topic].partitions
                return sum(end_offsets(reader, topic, partitions).values()) >= count
            return False

        try:
            eventually(marked, within=within, what=f"{count} marks", every=0.01)
        finally:
            reader.close()


@pytest.fixture
def backfill(kafka, s3, tmp_path) -> Backfill:
    """A command for a bucket and topics of this test alone."""
    return Backfill(kafka, s3, tmp_path)


@pytest.mark.kafka
def test_what_is_new_is_read_once(backfill) -> None:
    """Every layout is read once; a second run reads nothing, a new and a replaced object are read; bad lines are dead letters with their place."""
    root = f"s3://{backfill.bucket}/acme_c"
    put(backfill.store, "acme_c/export_day=2025-10-28/event_exports_0a.json.gz", gzip.compress(lines(0, 3_000)))
    put(
        backfill.store,
        "acme_c/export_day=29-10-2025/event-exports_1.json.gz",
        gzip.compress(lines(3_000, 10) + b"{bad\n"),
    )
    put(backfill.store, "acme_c/export_day=2025-10-30/export_hour=6/x.ndjson", lines(3_010, 5))
    put(backfill.store, "acme_c/export_day=2025-10-30/y.json.gz.gpg", b"\x85\x01")
    put(backfill.store, "acme_c/_SUCCESS", b"x")
    code, account, words = backfill.run(root)
    (address,) = account["addresses"]
    assert (code, account["stored"], account["refused"]) == (1, 3_015, 1)
    assert (address["objects"], address["read"], address["encrypted"], address["others"]) == (3, 3, 1, 1)
    assert "gpg --decrypt" in words
    assert sorted(backfill.ids()) == sorted(f"u-{n}" for n in range(3_015))
    (letter,) = stored(backfill.kafka, f"{backfill.topic}.dead")
    reason = dict(letter.headers)["bridge.reason"].decode()
    assert f"line 11 of {root}/export_day=29-10-2025/event-exports_1.json.gz" in reason
    assert letter.value == b"{bad\n"

    code, account, _ = backfill.run(root, "--since", "2025-10-28", "--until", "2025-10-30")
    assert (code, account["stored"], account["addresses"][0]["read_before"]) == (0, 0, 2)

    put(backfill.store, "acme_c/export_day=2025-10-30/export_hour=6/x.ndjson", lines(3_015, 5))
    put(backfill.store, "acme_c/export_day=2025-10-30/export_hour=7/z.json", lines(3_020, 5))
    _, account, _ = backfill.run(root)
    assert (account["addresses"][0]["read"], account["stored"]) == (2, 10)
    _, account, _ = backfill.run(f"{root}/export_day=2025-10-30/export_hour=7", "--again")
    assert account["stored"] == 5


@pytest.mark.kafka
def test_killed_in_the_middle_it_goes_on(backfill) -> None:
    """Killed with -9 within a long object, the next run goes on from its mark, and every event is there."""
    put(backfill.store, "c/event_exports_1.json.gz", gzip.compress(lines(0, 100_000), 1))
    with backfill.start(f"s3://{backfill.bucket}/c") as process:
        backfill.until_marked(2, within=200)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    code, account, _ = backfill.run(f"s3://{backfill.bucket}/c")
    assert (code, account["complete"]) == (0, True)
    assert 0 < account["stored"] < 100_000
    assert set(backfill.ids()) == {f"u-{n}" for n in range(100_000)}


@pytest.mark.kafka
def test_watching(backfill) -> None:
    """With --watch a new object is read as it comes, and SIGTERM ends it with exit 0."""
    today = time.strftime("%Y-%m-%d", time.gmtime())
    put(backfill.store, f"c/export_day={today}/event_exports_1.json", lines(0, 5))
    with backfill.start(f"s3://{backfill.bucket}/c", "--watch", "--interval", "1", "--json") as process:
        first = orjson.loads(process.stdout.readline())
        assert first["stored"] == 5
        put(backfill.store, f"c/export_day={today}/event_exports_2.json", lines(5, 7))
        second = orjson.loads(process.stdout.readline())
        assert (second["stored"], second["addresses"][0]["read_before"]) == (7, 1)
        process.terminate()
        assert process.wait(20) == 0
    assert sorted(backfill.ids()) == sorted(f"u-{n}" for n in range(12))


@pytest.mark.kafka
def test_watching_is_seen(backfill) -> None:
    """With --telemetry-port an operator sees what was read, what cannot be, and that the last look failed; ready when it succeeds."""
    today = time.strftime("%Y-%m-%d", time.gmtime())
    put(backfill.store, f"c/export_day={today}/event_exports_1.json", lines(0, 5))
    put(backfill.store, f"c/export_day={today}/event_exports_2.json.gz", gzip.compress(lines(5, 5_000))[:-40])
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    watch = ("--watch", "--interval", "1", "--telemetry-port", str(port), "--json")
    with backfill.start(f"s3://{backfill.bucket}/c", *watch) as process:
        process.stdout.readline()
        wanted = {
            'bridge_backfill_objects_total{route="default"} 1.0',
            'bridge_backfill_unread_objects{route="default"} 1.0',
            # So after each look; a second later, and until the next one has come to its end, it is more.
            'bridge_backfill_overdue_seconds{route="default"} 0.0',
        }
        eventually(lambda: wanted <= set(get(f"{address}/metrics")[1].splitlines()), within=30, what="the figures")
        assert get(f"{address}/health/ready")[0] == 200
        for name in (f"c/export_day={today}/event_exports_1.json", f"c/export_day={today}/event_exports_2.json.gz"):
            obstore.delete(backfill.store, name)
        eventually(lambda: get(f"{address}/health/ready")[0] == 503, within=30, what="the empty folder is told")
        assert f"the last look failed: nothing is at s3://{backfill.bucket}/c" in get(f"{address}/health/ready")[1]
        process.terminate()
        process.communicate(timeout=20)


def test_troubles_are_told(s3, tmp_path) -> None:
    """No such bucket, nothing there, a damaged and an encrypted object, refused credentials, a wrong address: each says what it is."""
    it = Backfill("127.0.0.1:1", s3, tmp_path)
    put(it.store, "c/damaged.json.gz", gzip.compress(lines(0, 5_000))[:-40])
    put(it.store, "c/whole.json.gz", gzip.compress(lines(0, 5)))
    put(it.store, "secret/plain-name.json", b"-----BEGIN PGP MESSAGE-----\n\nabc\n")
    dry = "--dry-run"
    code, account, words = it.run(f"s3://{it.bucket}/c", dry)
    assert (code, account["addresses"][0]["read"], list(account["addresses"][0]["failed"])) == (
        1,
        1,
        [f"s3://{it.bucket}/c/damaged.json.gz"],
    )
    assert "damaged or ends in the middle" in words
    code, _, words = it.run(f"s3://{it.bucket}/secret", dry)
    assert (code, "encrypted with PGP" in words) == (1, True)
    code, _, words = it.run("s3://no-such-bucket-here/c", dry)
    assert (code, "there is no bucket no-such-bucket-here" in words) == (1, True)
    code, _, words = it.run(f"s3://{it.bucket}/nowhere", dry)
    assert (code, f"nothing is at s3://{it.bucket}/nowhere" in words) == (1, True)
    code, _, words = it.run("ftp://a/b", dry)
    assert (code, "not an address of object storage" in words) == (1, True)
    code, _, words = it.run(f"s3://{it.bucket}/c", dry, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert (code, "cannot be read" in words) == (1, True)
    hide = tmp_path / "obstore.py"
    hide.write_text("raise ImportError\n", encoding="utf-8")
    code, _, words = it.run(f"s3://{it.bucket}/c", dry, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert (code, "moengage-aep-bridge[objects]" in words) == (1, True)


def test_wrong_options_of_addresses(s3, tmp_path) -> None:
    """Options that mean nothing for an address, or for a file, are usage errors."""
    it = Backfill("127.0.0.1:1", s3, tmp_path)
    for wrong in (
        ["s3://a/b", "--from-line", "5"],
        ["export.json", "--watch"],
        ["s3://a/b", "--telemetry-port", "9466"],
        ["s3://a/b", "--since", "2025-10-28", "--until", "2025-10-27"],
    ):
        assert it.run(*wrong)[0] == 2


def test_a_day_that_is_not_wanted_costs_no_request(s3, tmp_path) -> None:
    """With a look back of two days out of forty, a listing asks for the folder and for these two."""
    it = Backfill("127.0.0.1:1", s3, tmp_path)
    for day in range(1, 29):
        put(it.store, f"c/export_day=2025-10-{day:02}/x.json", lines(day, 1))
    before = s3.requests()
    code, account, _ = it.run(f"s3://{it.bucket}/c", "--since", "2025-10-27", "--dry-run")
    assert (code, account["events"]) == (0, 2)
    # One listing of the folder, one of each day, one read of each object.
    assert s3.requests() - before == 5
