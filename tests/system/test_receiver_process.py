"""``aep-bridge receiver`` as a process, against a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import orjson
import psutil
import pytest

from bridge.model.dead_letter import DeadLetter
from bridge.testing.kafka.stored_records import stored
from bridge.testing.processes import Child, end, free_port, start_tied

pytestmark = pytest.mark.kafka
ROOT = Path(__file__).parents[2]
LINES = (ROOT / "tests" / "data" / "samples" / "moengage-events.jsonl").read_bytes().splitlines()
EVENT = {"event_code": "X", "event_uuid": "u-1", "uid": "user", "event_time": 5}


class Process:
    """The receiver, its ports and its log."""

    def __init__(self, child: Child, port: int, telemetry: int, log: Path) -> None:
        self.child, self.port, self.telemetry, self.log = child, port, telemetry, log
        self.url = f"http://127.0.0.1:{port}/moengage/streams"

    async def probe(self, kind: str) -> tuple[int, dict]:
        """Status and body of a health question; 0 when nobody answers."""
        try:
            async with (
                aiohttp.ClientSession() as client,
                client.get(f"http://127.0.0.1:{self.telemetry}/health/{kind}") as answer,
            ):
                return answer.status, await answer.json()
        except aiohttp.ClientError:
            return 0, {}

    async def until_listening(self, within: float = 30) -> None:
        """Wait until it takes connections for events."""
        deadline = time.monotonic() + within
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            assert time.monotonic() < deadline, self.log.read_text()
            await asyncio.sleep(0.1)

    async def until_logged(self, event: str, within: float = 30) -> None:
        """Wait for a line of the log."""
        deadline = time.monotonic() + within
        while f'"event":"{event}"' not in self.log.read_text().replace('": "', '":"'):
            assert time.monotonic() < deadline, self.log.read_text()
            await asyncio.sleep(0.05)

    async def until_ready(self, status: int = 200, within: float = 30) -> dict:
        """Wait for that answer of /health/ready."""
        deadline = time.monotonic() + within
        while True:
            told, body = await self.probe("ready")
            if told == status:
                return body
            assert self.child.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"{told} {body}\n{self.log.read_text()}"
            await asyncio.sleep(0.1)


@contextmanager
def running(tmp_path: Path, bootstrap: str, topic: str, **settings: str):
    """A receiver in its own process; ended whatever happens."""
    port, telemetry = free_port(), free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")} | {
        "PYTHONPATH": str(ROOT),
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "BRIDGE_KAFKA__TOPIC": topic,
        "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": f"{topic}.dead",
        "BRIDGE_KAFKA__CREATE_TOPICS": "true",
        "BRIDGE_RECEIVER__HOST": "127.0.0.1",
        "BRIDGE_RECEIVER__PORT": str(port),
        "BRIDGE_RECEIVER__AUTH": "header",
        "BRIDGE_RECEIVER__HEADER_VALUE": "the-key",
        "BRIDGE_TELEMETRY__PORT": str(telemetry),
        "BRIDGE_TELEMETRY__LOG_FORMAT": "json",
        "BRIDGE_TELEMETRY__LOG_LEVEL": "debug",
        **{f"BRIDGE_{name}": value for name, value in settings.items()},
    }
    log = tmp_path / "receiver.log"
    # An interpreter of its own: one test looks at its memory, and all show that the command starts as a user starts it.
    command = [sys.executable, "-m", "bridge", "receiver"]
    child = start_tied(command, log=log, env=environment, cwd=tmp_path, own_interpreter=True)
    try:
        yield Process(child, port, telemetry, log)
    finally:
        end(child)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"RECEIVER__AUTH": "", "RECEIVER__HOST": "0.0.0.0"}, "BRIDGE_RECEIVER__AUTH is not set"),  # noqa: S104
        ({"RECEIVER__HEADER_VALUE": "\n"}, "BRIDGE_RECEIVER__HEADER_VALUE: the secret is blank"),
        ({"RECEIVER__HEADER_VALUE": "change-me"}, "BRIDGE_RECEIVER__HEADER_VALUE is still the example"),
    ],
)
def test_it_does_not_start_open(settings, words, tmp_path) -> None:
    """Where anybody could post the command ends with 1 by itself and names the setting."""
    with running(tmp_path, "127.0.0.1:9", "t", **settings) as process:
        assert process.child.wait(60) == 1
        assert words in " ".join(process.log.read_text().split())


async def test_nothing_disappears_on_the_way_into_kafka(kafka, tmp_path) -> None:
    """Digits, members of one name, arrays and lines reach the topics; a bomb does not, and the process stays small."""
    topic = new_topic("exact")
    event = b'{"event_code":"X","event_uuid":"%b","uid":%b}'
    long = b"12345678901234567890123"
    with running(tmp_path, kafka, topic) as process:
        await process.until_ready()
        for body, told in (
            (event % (b"u-1", long), (1, 0)),
            (b'{"events":[' + event % (b"u-2", b'"a"') + b'],"events":[' + event % (b"u-3", b'"a"') + b"]}", (2, 0)),
            (event % (b"u-4", b'"a","uid":"b"'), (0, 1)),
            (b"[" + event % (b"u-5", b'"a"') + b"," + event % (b"u-6", b'"a"') + b"]", (2, 0)),
            (event % (b"u-7", b'"a"') + b"\n" + event % (b"u-8", b'"a"') + b"\n", (2, 0)),
            (b'{"events":[' + b"7," * 5_000 + event % (b"u-9", b'"a"') + b"]}", (1, 1)),
        ):
            status, answer = await post(process, body)
            assert (status, answer["events"], answer["dead_letters"]) == (200, *told)
        resident = psutil.Process(process.child.pid).memory_info().rss
        bomb = gzip.compress(b'{"events":[' + b"1," * 400_000 + b"1]}")
        began = psutil.Process(process.child.pid).cpu_times()
        async with (
            aiohttp.ClientSession(headers={"X-Api-Key": "the-key", "Content-Encoding": "gzip"}) as client,
            client.post(process.url, data=bomb) as refusal,
        ):
            assert refusal.status == 413
            assert (await process.probe("live"))[0] == 200
        ended = psutil.Process(process.child.pid).cpu_times()
        # Its own processor time: what others on the machine take is no doing of the body.
        assert ended.user + ended.system - began.user - began.system < 2
        assert psutil.Process(process.child.pid).memory_info().rss - resident < 100_000_000
        events = stored(kafka, topic)
        assert {orjson.loads(one.value)["event_uuid"] for one in events} == {f"u-{n}" for n in (1, 2, 3, 5, 6, 7, 8, 9)}
        assert [one.key for one in events if b'"u-1"' in one.value] == [long]
        letters = [DeadLetter.from_headers(one.key, one.value, one.headers) for one in stored(kafka, f"{topic}.dead")]
        assert sorted(letter.code for letter in letters) == ["duplicate_keys", "not_an_object"]
        assert event % (b"u-4", b'"a","uid":"b"') in [letter.value for letter in letters]


async def post(process: Process, body: bytes) -> tuple[int, dict]:
    """Status and answer of one POST with the right key."""
    async with (
        aiohttp.ClientSession(headers={"X-Api-Key": "the-key"}) as client,
        client.post(process.url, data=body) as answer,
    ):
        return answer.status, await answer.json()


def new_topic(name: str) -> str:
    """A topic of the test's own, which the receiver creates."""
    return f"{name}-{os.urandom(4).hex()}"


async def test_the_whole_way_into_kafka(kafka, tmp_path) -> None:
    """Every sample and a poison body: answered 200, in the topics by then, keyed; SIGTERM exits 0; no secret in the log."""
    topic = new_topic("receiver")
    with running(tmp_path, kafka, topic) as process:
        await process.until_ready()
        total = 0
        for line in LINES:
            status, told = await post(process, line)
            assert status == 200
            total += told["events"]
        assert (await post(process, b"poison"))[1] == {"status": "ok", "events": 0, "dead_letters": 1}
        events = stored(kafka, topic)
        assert len(events) == total == 134
        assert all(event.key for event in events)
        assert {orjson.loads(event.value)["event_uuid"] for event in events} == {
            event["event_uuid"]
            for line in LINES
            for document in [orjson.loads(line)]
            for event in document.get("events", [document.get("event", document)])
        }
        (dead,) = stored(kafka, f"{topic}.dead")
        letter = DeadLetter.from_headers(dead.key, dead.value, dead.headers)
        assert (letter.value, letter.stage, letter.code) == (b"poison", "receive", "not_json")
        process.child.send_signal(signal.SIGTERM)
        assert process.child.wait(10) == 0
        log = process.log.read_text()
        assert "the-key" not in log
        assert "poison" not in log
        assert "asha.k@example.com" not in log
        assert all(orjson.loads(line)["level"] for line in log.splitlines())


async def test_kafka_away_and_back(kafka_broker, tmp_path) -> None:
    """While the broker hangs: 503 with a reason in readiness, alive all the same; afterwards 200 again, nothing confirmed is lost."""
    topic = new_topic("away")
    settings = {"RECEIVER__CONFIRM_TIMEOUT_SECONDS": "0.5", "KAFKA__REQUEST_TIMEOUT_SECONDS": "3"}
    with running(tmp_path, kafka_broker.bootstrap, topic, **settings) as process:
        await process.until_ready()
        confirmed = set()

        async def send(number: int) -> int:
            status, _ = await post(process, orjson.dumps({**EVENT, "event_uuid": f"u-{number}"}))
            if status == 200:
                confirmed.add(f"u-{number}")
            return status

        # The first events of a new topic may take longer than the little time that is given here.
        deadline = time.monotonic() + 30
        while await send(0) != 200:
            assert time.monotonic() < deadline, process.log.read_text()
        kafka_broker.pause()
        try:
            assert [await send(number) for number in (1, 2, 3)] == [503] * 3
            deadline = time.monotonic() + 30
            while "receiver" not in (await process.until_ready(503))["reasons"]:
                assert time.monotonic() < deadline, process.log.read_text()
                await asyncio.sleep(0.1)
            assert (await process.probe("live"))[0] == 200
        finally:
            kafka_broker.resume()
        deadline = time.monotonic() + 30
        while await send(4) != 200:
            assert time.monotonic() < deadline, process.log.read_text()
            await asyncio.sleep(0.2)
        await process.until_ready()
        there = {orjson.loads(record.value)["event_uuid"] for record in stored(kafka_broker.bootstrap, topic)}
        assert confirmed <= there


async def test_kafka_away_at_the_start(tmp_path) -> None:
    """Without a broker it listens all the same, unready with the brokers' address, and answers 503; it keeps trying."""
    with running(tmp_path, bootstrap := f"127.0.0.1:{free_port()}", "nowhere") as process:
        deadline = time.monotonic() + 30
        while bootstrap not in (why := (await process.until_ready(503))["reasons"]["kafka"]):
            assert time.monotonic() < deadline, why
            await asyncio.sleep(0.1)
        # Telemetry is there before the port for events.
        await process.until_listening()
        assert (await post(process, orjson.dumps(EVENT)))[0] == 503
        process.child.send_signal(signal.SIGTERM)
        assert process.child.wait(10) == 0


async def test_missing_topics_end_it_with_the_command_to_type(kafka, tmp_path) -> None:
    """Topics that are not there and not to be created: exit 1 and words that help."""
    with running(tmp_path, kafka, new_topic("missing"), KAFKA__CREATE_TOPICS="false") as process:
        assert await asyncio.to_thread(process.child.wait, 60) == 1
        assert "BRIDGE_KAFKA__CREATE_TOPICS" in process.log.read_text()


async def test_a_second_signal_ends_it_at_once(kafka, tmp_path) -> None:
    """With a request hanging, the first SIGTERM waits for it and the second exits at once."""
    with running(tmp_path, kafka, new_topic("signals")) as process:
        await process.until_ready()
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        head = b"POST /moengage/streams HTTP/1.1\r\nHost: x\r\nX-Api-Key: the-key\r\nContent-Length: 9\r\n"
        writer.write(head + b"Expect: 100-continue\r\n\r\n")
        # Asked to go on: the request is under way, and no connection that the first signal may close.
        assert (await asyncio.wait_for(reader.readline(), 30)).startswith(b"HTTP/1.1 100 ")
        writer.write(b"{")
        process.child.send_signal(signal.SIGTERM)
        # The kernel makes one of two signals that nobody has taken yet.
        await process.until_logged("stopping")
        with pytest.raises(subprocess.TimeoutExpired):
            process.child.wait(1)
        process.child.send_signal(signal.SIGTERM)
        assert process.child.wait(5) == 128 + signal.SIGTERM
        writer.close()


async def test_port_of_telemetry_in_use(kafka, tmp_path) -> None:
    """Two processes on one telemetry port: the second says which variable to set, and exits 1."""
    with running(tmp_path, kafka, new_topic("ports")) as first:
        await first.until_ready()
        (tmp_path / "second").mkdir()
        with running(tmp_path / "second", kafka, "any", TELEMETRY__PORT=str(first.telemetry)) as second:
            assert await asyncio.to_thread(second.child.wait, 60) == 1
            assert "BRIDGE_TELEMETRY__PORT" in second.log.read_text()
