"""The receiver against what is no HTTP, what hides more than it shows, and who takes all the room: over real sockets."""

from __future__ import annotations

import asyncio
import base64
import gc
import gzip
import io
import json
import time
import zlib
from pathlib import Path

import aiohttp
import orjson
import pytest
import uvloop
from awaiting import until
from memory_store import serve

from bridge.settings import TelemetrySettings
from bridge.telemetry.logs import configure_logging

EVENT = b'{"event_code":"X","event_uuid":"u-1","uid":"user","event_time":5}'
SECRET = base64.b64encode(b"moengage:s3cr3tpass").decode()
PRIVATE = "someone.private@example.com"
HEAD = b"POST /moengage/streams HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def log():
    """The log of the receiver as its process writes it."""
    stream = io.StringIO()
    configure_logging(TelemetrySettings(log_format="json"), stream=stream)
    return stream


async def raw(port: int, *segments: bytes, pause: float = 0.05, within: float = 5) -> bytes:
    """Send segments as they are on one connection; what came back until the end or a silence."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for segment in segments:
            writer.write(segment)
            await writer.drain()
            await asyncio.sleep(pause)
        return await asyncio.wait_for(reader.read(), within)
    finally:
        writer.close()


def _characters() -> bytes:
    body = ('{"event_code":"X","uid":"c","n":"' + "é" * 60 + '","email":"' + PRIVATE + '"}').encode()
    return HEAD + b"Authorization: Basic %b\r\nContent-Length: %d\r\n\r\n" % (SECRET.encode(), len(body) - 60) + body


MALFORMED = {
    "bare line feeds": f"POST /moengage/streams HTTP/1.1\nHost: x\nAuthorization: Basic {SECRET}\n\n{PRIVATE}".encode(),
    "blank before the colon": HEAD + f"Authorization : Basic {SECRET}\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
    "blank before the secret's colon": HEAD + f"X-Api-Key : {SECRET}\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
    "a header too long": HEAD + f"X-Api-Key: {SECRET}{'x' * 8_200}\r\n\r\n".encode(),
    "an Authorization too long": HEAD + f"Authorization: Basic {SECRET * 400}\r\n\r\n".encode(),
    "two hundred headers": HEAD + b"".join(b"X-%d: %b\r\n" % (n, SECRET.encode()) for n in range(200)) + b"\r\n",
    "a path too long": f"POST /moengage/streams?key={SECRET}{'x' * 9_000} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "Content-Length twice": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length that is none": HEAD + f"Content-Length: {SECRET}\r\n\r\n{{}}".encode(),
    "length and chunks": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded header": HEAD + f"X-A: b\r\n {SECRET}\r\n\r\n".encode(),
    "a NUL in a header": HEAD + f"X-A: \0{SECRET}\r\n\r\n".encode(),
    "a body without a head": f'{{"email":"{PRIVATE}"}}\r\n\r\n'.encode(),
    "TLS on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SECRET.encode() + b"\r\n\r\n",
    "another version": b"POST /moengage/streams HTTP/9.9\r\nAuthorization: " + SECRET.encode() + b"\r\n\r\n",
    "a length in characters": _characters(),
    "a bad chunk": HEAD
    + f"Authorization: Basic {SECRET}\r\nTransfer-Encoding: chunked\r\n\r\n{PRIVATE}\r\n0\r\n\r\n".encode(),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_http_is_counted_and_quoted_nowhere(name, log) -> None:
    """400 for each, counted; neither answer nor log has credentials or payload; the log says it once."""
    async with serve(auth="basic", username="moengage", password="s3cr3tpass") as served:
        answers = [await raw(served.listener.port, MALFORMED[name]) for _ in range(3)]
        assert served.count("bridge_receiver_requests_total", status="400") == 3
    text = log.getvalue()
    for answer in answers:
        assert b"HTTP/1.1 400 " in answer or b"HTTP/1.0 400 " in answer
    for private in (SECRET, PRIVATE, "s3cr3tpass", SECRET[:12]):
        assert private not in text
        assert private.encode() not in b"".join(answers)
    told = [json.loads(line) for line in text.splitlines()]
    assert sum(line["event"] in ("request_malformed", "request_broke_off") for line in told) == 1
    assert not [line for line in told if line["level"] in ("error", "critical")]


async def test_wrong_credentials_are_told_once(log) -> None:
    """The commonest mistake of a start is in the log: address and user, never the password, once a minute."""
    async with (
        serve(auth="basic", username="moengage", password="right-one") as served,
        aiohttp.ClientSession() as client,
    ):
        wrong = {"Authorization": "Basic " + base64.b64encode(b"moengag:wrong-one").decode()}
        for _ in range(5):
            async with client.post(served.url, data=EVENT, headers=wrong) as answer:
                assert answer.status == 401
        assert served.count("bridge_receiver_requests_total", status="401") == 5
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (line,) = [line for line in lines if line["event"] == "wrong_credentials"]
    assert (line["address"], line["given"], line["level"]) == ("127.0.0.1", "user 'moengag'", "warning")
    assert "wrong-one" not in log.getvalue()


async def test_dead_letters_are_told_once_a_minute_by_code(log) -> None:
    """At once, and then what came meanwhile in one line a code, at the end at the latest: a line a request would bury the others."""
    now = [100.0]
    async with serve(clock=lambda: now[0]) as served, aiohttp.ClientSession() as client:

        async def post(body: bytes) -> None:
            async with client.post(served.url, data=body) as answer:
                assert answer.status == 200

        def told() -> list[tuple[str, str, int]]:
            lines = [json.loads(line) for line in log.getvalue().splitlines()]
            return [
                (line["stage"], line["code"], line["count"]) for line in lines if line["event"] == "dead_letters_stored"
            ]

        await post(b"not json")
        assert told() == [("receive", "not_json", 1)]
        for _ in range(3):
            await post(b"not json")
        await post(b'{"events":[{},{}]}')
        assert len(told()) == 1
        now[0] += 60
        await post(b"not json")
        assert told()[1:] == [("receive", "not_json", 4), ("receive", "not_an_event", 2)]
        await post(b"{}")
        assert len(told()) == 3
        await served.receiver.stop()
        assert told()[3:] == [("receive", "not_an_event", 1)]
    assert PRIVATE not in log.getvalue()


async def test_what_is_stored_after_a_line_is_told_without_another_request(log, monkeypatch) -> None:
    """A minute later, though nothing else is refused."""
    monkeypatch.setattr("bridge.sources.http.told_letters.TOLD_SECONDS", 0.3)
    async with serve() as served, aiohttp.ClientSession() as client:
        for _ in range(3):
            async with client.post(served.url, data=b"not json") as answer:
                assert answer.status == 200
        await until(lambda: log.getvalue().count('"dead_letters_stored"') == 2)
        # Not at the receiver's end, which tells the rest as well.
        assert log.getvalue().count('"dead_letters_stored"') == 2


async def test_a_bug_of_ours_is_sent_again_and_told_without_its_words(log, monkeypatch) -> None:
    """503 with Retry-After, counted, logged by type and place: the words of an error may hold the event."""
    async with serve() as served:

        async def store(_events, _dead_letters):
            raise KeyError(PRIVATE)

        monkeypatch.setattr(served.store, "store", store)
        answer = await raw(
            served.listener.port, HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(EVENT) + EVENT
        )
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 30\r\n" in answer
        assert served.count("bridge_receiver_requests_total", status="503") == 1
    assert "unexpected_error" in log.getvalue()
    assert "KeyError" in log.getvalue()
    assert PRIVATE not in log.getvalue()


@pytest.mark.serial
async def test_a_silent_or_slow_head_does_not_hold_a_connection() -> None:
    """Half a head is answered 408 after the read timeout, a silence is closed, and both make room for MoEngage."""
    async with serve(read_timeout_seconds=0.5, max_connections=5) as served:
        port, began = served.listener.port, _own_time()
        silent = [asyncio.create_task(raw(port)) for _ in range(2)]
        slow = [asyncio.create_task(raw(port, HEAD[:20])) for _ in range(2)]
        # One that goes on and on, a byte at a time, has no more time than the others.
        dripping = asyncio.create_task(raw(port, *[HEAD[n : n + 1] for n in range(20)], pause=0.1))
        assert await asyncio.gather(*silent) == [b"", b""]
        assert all(b" 408 " in answer for answer in await asyncio.gather(*slow))
        assert _own_time() - began < 2
        assert served.count("bridge_receiver_requests_total", status="408") >= 2
        async with aiohttp.ClientSession() as client, client.post(served.url, data=EVENT) as answer:
            assert answer.status == 200
        with pytest.raises((ConnectionError, AssertionError)):
            assert await dripping == b""


async def test_a_head_is_bounded_as_a_whole(log) -> None:
    """A hundred headers of eight kilobytes are not waited for: 400 after 64 KB, counted."""
    async with serve() as served:
        headers = b"".join(b"X-%d: %b\r\n" % (n, SECRET.encode() * 100) for n in range(24))
        answer = await raw(served.listener.port, HEAD, headers[:40_000], headers[40_000:])
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert served.count("bridge_receiver_requests_total", status="400") == 1
    assert SECRET not in log.getvalue()


async def test_a_kept_connection_may_wait_longer_than_a_head() -> None:
    """Between requests the read timeout does not count, only from the first byte of the next head on."""
    async with serve(read_timeout_seconds=0.3) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.listener.port)
        request = HEAD + b"Content-Length: %d\r\n\r\n" % len(EVENT) + EVENT
        for _ in range(2):
            writer.write(request)
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b"}")
            await asyncio.sleep(0.7)
        writer.write(HEAD[:10])
        assert b" 408 " in await asyncio.wait_for(reader.read(), 20)
        writer.close()
        assert served.count("bridge_receiver_requests_total", status="408") == 1


async def test_one_address_cannot_take_all_connections(log) -> None:
    """Beyond its bound an address gets 503, counted and told; what it closes is free again."""
    async with serve(max_connections_per_address=3) as served:
        port = served.listener.port
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        await until(lambda: served.listener._places._taken.total() == 3)
        answer = await raw(port)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: " in answer
        assert served.count("bridge_receiver_requests_total", status="503") == 1
        assert served.receiver.trouble() is None, "others are served"
        for _, writer in held:
            writer.close()
        await until(lambda: not served.listener._places._taken)
        async with aiohttp.ClientSession() as client, client.post(served.url, data=EVENT) as answer:
            assert answer.status == 200
    assert "too_many_connections_of_an_address" in log.getvalue()


@pytest.mark.clock
def test_those_turned_away_are_answered_on_the_loop_that_is_used() -> None:
    """The command runs on uvloop: too many, too many of an address, and a late head get their answers there too."""

    async def answers() -> list[bytes]:
        found = []
        async with serve(max_connections=2) as served:
            held = [await asyncio.open_connection("127.0.0.1", served.listener.port) for _ in range(2)]
            await until(lambda: len(served.listener._runner.server.connections) == 2)
            found.append(await raw(served.listener.port))
            for _, writer in held:
                writer.close()
        async with serve(max_connections_per_address=1, read_timeout_seconds=2) as served:
            late = asyncio.create_task(raw(served.listener.port, HEAD[:20], within=30))
            await until(lambda: served.listener._places._taken.total() == 1)
            found.append(await raw(served.listener.port))
            found.append(await late)
            await until(lambda: not served.listener._places._taken)
            found.append(await raw(served.listener.port, MALFORMED["bare line feeds"]))
        return found

    assert [answer[9:12] for answer in uvloop.run(answers())] == [b"503", b"503", b"408", b"400"]


BOMBS = {
    "equal refusals": (b'{"events":[' + b"1," * 400_000 + b"1]}", 413),
    "copied fields": (
        b'{"pad":"' + b"x" * 200_000 + b'","events":[' + b'{"event_code":1},' * 9_999 + EVENT + b"]}",
        413,
    ),
    "few copied fields": (
        b'{"pad":"' + b"x" * 200_000 + b'","events":[' + b'{"event_code":1},' * 300 + EVENT + b"]}",
        413,
    ),
    "empty objects": (b"[" + b"{}," * 3_000_000 + b"{}]", 413),
    "empty arrays": (b"[" + b"[]," * 3_000_000 + b"[]]", 413),
    "lines": (b'{"event_code":"X"}\n' * 500_000, 413),
    "line ends": (b"{}\n" + b"\n" * 9_000_000, 200),
    "duplicates": (b'{"a":[' + b'{"b":1,"b":2},' * 240_000 + b"0]}", 200),
    "digits": (b"[" + b"9" * 9_000_000 + b"]", 200),
    "many good events": (b'{"events":[' + b",".join([EVENT] * 10_000) + b"]}", 200),
    "large good events": (b'{"events":[' + b",".join([EVENT[:-1] + b',"t":"%b"}' % (b"x" * 900)] * 9_000) + b"]}", 200),
}


def _memory(name: str) -> float:
    """A figure of this process in MB."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) / 1024


def _forget_peak() -> float:
    """Begin a new peak (man 5 proc: clear_refs); the memory in use now, in MB."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _own_time() -> float:
    """Seconds that have passed for the loop's thread, less those that it was ready to run and the machine had no processor for it.

    Whatever else runs is no fault of the receiver's; work, a wait that blocks, and another thread that keeps the interpreter are.
    """
    _ran, queued, _turns = Path("/proc/thread-self/schedstat").read_text().split()
    return time.monotonic() - int(queued) / 1e9


class _LoopWatch:
    """Looks every hundredth of a second; ``longest`` is for how long nothing else could run."""

    longest = 0.0

    async def run(self) -> None:
        while True:
            at = _own_time()
            await asyncio.sleep(0.01)
            self.longest = max(self.longest, _own_time() - at)


def _work(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


@pytest.mark.serial
@pytest.mark.parametrize("block", [_work, time.sleep])
async def test_a_loop_that_stops_is_seen(block) -> None:
    """Over work or a wait, which is what the next test would fail by; what the loop awaits is none."""
    watch = _LoopWatch()
    watching = asyncio.create_task(watch.run())
    await asyncio.sleep(0.3)
    assert watch.longest < 0.25
    block(0.5)
    await asyncio.sleep(0.05)
    watching.cancel()
    assert watch.longest >= 0.45


@pytest.mark.serial
@pytest.mark.parametrize("name", BOMBS)
async def test_a_small_body_does_not_become_much(name) -> None:
    """Memory grows by less than 100 MB, the event loop never stops for long, and the answer is the contract's."""
    body, status = BOMBS[name]
    packed = gzip.compress(body)
    watch = _LoopWatch()
    async with serve(confirm_timeout_seconds=30) as served, aiohttp.ClientSession() as client:
        watching = asyncio.create_task(watch.run())
        before = _forget_peak()
        async with client.post(served.url, data=packed, headers={"Content-Encoding": "gzip"}) as answer:
            assert answer.status == status
        grown = _memory("VmHWM") - before
        watching.cancel()
        assert len(served.store.dead_letters) <= 1
        assert served.receiver._budget.used == 0
    assert grown < 100
    assert watch.longest < 1


BODIES = {
    "a top-level array": (b"[" + EVENT + b"," + EVENT + b"]", {}, 2),
    "an empty array": (b"[]", {}, 0),
    "JSON lines": (EVENT + b"\n" + EVENT + b"\n", {}, 2),
    "a named batch": (b'{"app_name":"A","event_name":"batch","events":[' + EVENT + b"," + EVENT + b"]}", {}, 2),
    "events twice": (b'{"events":[' + EVENT + b'],"events":[' + EVENT + b"]}", {}, 2),
    "Content-Encoding: utf-8": (EVENT, {"Content-Encoding": "utf-8"}, 1),
    "Content-Encoding: none": (EVENT, {"Content-Encoding": "none"}, 1),
    "Content-Encoding: aws-chunked": (EVENT, {"Content-Encoding": "aws-chunked"}, 1),
    "Content-Encoding: gzip over plain": (EVENT, {"Content-Encoding": "gzip"}, 1),
    "Content-Encoding: br over plain": (EVENT, {"Content-Encoding": "br"}, 1),
    "Content-Encoding: gzip, identity": (gzip.compress(EVENT), {"Content-Encoding": "gzip, identity"}, 1),
    "gzip without a label": (gzip.compress(EVENT), {}, 1),
    "gzip with a wrong label": (gzip.compress(EVENT), {"Content-Encoding": "deflate"}, 1),
    "two lines of labels": (
        zlib.compress(gzip.compress(EVENT)),
        [("Content-Encoding", "gzip"), ("Content-Encoding", "deflate")],
        1,
    ),
}


@pytest.mark.parametrize("name", BODIES)
async def test_readable_bodies_are_read(name) -> None:
    """Whatever the form or the label, what can be read is events and no dead letter."""
    body, headers, events = BODIES[name]
    async with serve() as served, aiohttp.ClientSession(auto_decompress=False) as client:
        request = client.post(
            served.url, data=io.BytesIO(body), headers=headers, skip_auto_headers=["Content-Encoding"]
        )
        async with request as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok", "events": events, "dead_letters": 0})
        assert len(served.store.events) == events


async def test_digits_survive_the_receiver() -> None:
    """An id of 23 digits is key and identity in Kafka by its digits."""
    body = b'{"event_code":"X","uid":12345678901234567890123,"event_attributes":{"amount":12345678901234.123456789}}'
    async with serve() as served, aiohttp.ClientSession() as client, client.post(served.url, data=body) as answer:
        assert answer.status == 200
        ((key, value, _),) = served.store.events
    assert key == b"12345678901234567890123"
    assert b"12345678901234567890123" in value
    assert orjson.loads(value)["event_attributes"]["amount"] == "12345678901234.123456789"


@pytest.mark.parametrize("path", ["/moengage/streams", "/moengage/streams/token", "/elsewhere"])
@pytest.mark.parametrize("expect", ["foo", "200-ok", SECRET])
async def test_another_expectation_is_counted(expect, path) -> None:
    """417 is an answer like any other, whatever the path, and quotes nothing."""
    async with serve(auth="oauth", client_id="m", client_secret="s3cr3tpass") as served:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nExpect: {expect}\r\nContent-Length: 2\r\n\r\n{{}}"
        answer = await raw(served.listener.port, head.encode())
        assert b" 417 " in answer
        assert expect.encode() not in answer
        assert served.count("bridge_receiver_requests_total", status="417") == 1
