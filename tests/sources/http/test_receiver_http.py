"""The receiver over real HTTP on the loopback: the answers that MoEngage Streams goes by."""

from __future__ import annotations

import asyncio
import base64
import gzip
import ssl
from pathlib import Path

import aiohttp
import orjson
import pytest
from awaiting import until
from memory_store import serve
from structlog.testing import capture_logs

from bridge.model.errors import BridgeError, SettingsError
from bridge.testing.kafka.certificates import make_certificates

LINES = (Path(__file__).parents[2] / "data" / "samples" / "moengage-events.jsonl").read_bytes().splitlines()
EVENT = {"event_code": "X", "event_uuid": "u-1", "uid": "user", "event_time": 5}
BODY = orjson.dumps({"app_name": "A", "events": [EVENT]})


async def post(served, body=BODY, **more):
    """Status, JSON answer and headers of one POST."""
    async with aiohttp.ClientSession() as client, client.post(served.url, data=body, **more) as answer:
        return answer.status, await answer.json(), answer.headers


def basic(text: str) -> dict[str, str]:
    """An Authorization header."""
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


async def raw(port: int, request: bytes, *, read: bool = True) -> bytes:
    """Bytes sent as they are; what came back until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 10) if read else b""
    finally:
        writer.close()


async def test_every_sample_body_is_stored_and_counted() -> None:
    """Every documented body is answered 200 with its number of events, and they are in the store by then."""
    async with serve() as served, aiohttp.ClientSession() as client:
        total = 0
        for line in LINES:
            async with client.post(served.url, data=line, headers={"Content-Type": "application/json"}) as answer:
                told = await answer.json()
            assert (answer.status, told["status"], told["dead_letters"]) == (200, "ok", 0)
            total += told["events"]
            assert len(served.store.events) == total
        assert total == 134
        assert served.count("bridge_received_events_total") == 134
        assert served.count("bridge_receiver_requests_total", status="200") == len(LINES)
        assert served.store.calls == len(LINES) - 1, "an empty batch needs no store"


@pytest.mark.parametrize("path", ["", "/", "?source=moengage&x=1"])
async def test_paths(path) -> None:
    """A trailing slash and a query are tolerated."""
    async with serve() as served:
        served.url += path
        assert (await post(served))[0] == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_told_to_post(method) -> None:
    """Any other method is answered 405 with what to do."""
    async with serve() as served, aiohttp.ClientSession() as client, client.request(method, served.url) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert method == "HEAD" or "use POST" in (await answer.json())["reason"]


async def test_another_path_is_counted_when_it_is_moengage_who_errs() -> None:
    """404 with the right path; a scanner without our credentials raises no alert, a post with them does."""
    async with serve(auth="basic", username="moengage", password="secret") as served:
        served.url = served.url.replace("/moengage/streams", "/moengage/stream")
        status, told, _ = await post(served)
        assert (status, "/moengage/streams" in told["reason"]) == (404, True)
        assert served.count("bridge_receiver_requests_total", status="404") == 0
        assert (await post(served, headers=basic("moengage:secret")))[0] == 404
        assert served.count("bridge_receiver_requests_total", status="404") == 1
        assert served.store.events == []


async def test_wrong_credentials() -> None:
    """Without the right credentials: 401 with WWW-Authenticate, nothing stored; with them: 200."""
    async with serve(auth="basic", username="moengage", password="secret") as served:
        for wrong in ({}, basic("moengage:wrong")):
            status, told, headers = await post(served, headers=wrong)
            assert (status, told["status"]) == (401, "error")
            assert headers["WWW-Authenticate"].startswith("Basic ")
        assert not served.store.calls
        assert (await post(served, headers=basic("moengage:secret")))[0] == 200
    async with serve(auth="header", header_name="X-Key", header_value="secret") as served:
        assert (await post(served))[0] == 401
        assert (await post(served, headers={"X-Key": "secret"}))[0] == 200


async def test_addresses_and_rates() -> None:
    """An address that is not allowed gets 403, a request over the rate 429 with Retry-After."""
    async with serve(allow_from=("moengage",)) as served:
        assert (await post(served))[0] == 403
    async with serve(allow_from=("127.0.0.0/8",), requests_per_second=0.01) as served:
        assert (await post(served))[0] == 200
        status, _, headers = await post(served)
        assert (status, 90 < int(headers["Retry-After"]) <= 100) == (429, True)


async def test_poison_is_stored_and_answered_200() -> None:
    """What is no JSON or no event lies in the dead letters with its reason, its neighbours are stored, the answer is 200."""
    async with serve() as served:
        assert (await post(served, b"not json"))[:2] == (200, {"status": "ok", "events": 0, "dead_letters": 1})
        mixed = orjson.dumps({"app_name": "A", "events": [EVENT, 7, {"hello": "world"}]})
        assert (await post(served, mixed))[1] == {"status": "ok", "events": 1, "dead_letters": 2}
        damaged = gzip.compress(BODY)[:-4]
        assert (await post(served, damaged, headers={"Content-Encoding": "gzip"}))[1]["dead_letters"] == 1
        assert [(letter.code, letter.stage) for letter in served.store.dead_letters] == [
            ("not_json", "receive"),
            ("not_an_object", "receive"),
            ("not_an_event", "receive"),
            ("bad_encoding", "receive"),
        ]
        assert served.store.dead_letters[0].value == b"not json"
        assert served.store.dead_letters[3].value == damaged
        assert served.count("bridge_dead_letters_total", stage="receive", code="not_json") == 1


async def test_encodings_of_text_and_transport() -> None:
    """Gzip, deflate, chunked, Windows-1252 and a byte order mark all give the event."""
    windows = orjson.dumps({**EVENT, "uid": "Café"}).decode().encode("cp1252")
    async with serve() as served:
        assert (await post(served, gzip.compress(BODY), headers={"Content-Encoding": "gzip"}))[0] == 200
        assert (await post(served, windows))[1]["events"] == 1
        assert (await post(served, b"\xef\xbb\xbf" + BODY))[1]["events"] == 1

        async def chunks():
            for start in range(0, len(BODY), 9):
                yield BODY[start : start + 9]

        assert (await post(served, chunks()))[1]["events"] == 1
        assert [key for key, *_ in served.store.events] == [b"user", "Café".encode(), b"user", b"user"]


async def test_not_confirmed_is_503_and_recovers() -> None:
    """No confirmation, refused or late: 503 with Retry-After, not counted as received; then 200 again."""
    async with serve(confirm_timeout_seconds=0.1) as served:
        served.store.failing = True
        status, told, headers = await post(served)
        assert (status, told["status"], headers["Retry-After"]) == (503, "error", "30")
        assert (await post(served, b"poison"))[0] == 503, "a dead letter that is not stored is not answered 200 either"
        served.store.failing = False
        served.store.gate.clear()
        assert (await post(served))[0] == 503
        assert served.receiver.trouble()
        assert served.count("bridge_received_events_total") == 0
        served.store.gate.set()
        assert (await post(served))[0] == 200
        assert served.receiver.trouble() is None


async def test_trouble_is_forgotten() -> None:
    """Readiness comes back by itself: a balancer that sends nothing would never learn of the end otherwise."""
    async with serve() as served:
        served.store.failing = True
        await post(served)
        assert served.receiver.trouble()
        served.receiver._trouble.clock = lambda: served.receiver._trouble.last + 16
        assert served.receiver.trouble() is None


async def test_sizes() -> None:
    """Over the limit, declared, streamed or unpacked: 413, and nothing is stored."""
    async with serve(max_body_bytes=1_000) as served:
        assert (await post(served, b"x" * 1_001))[0] == 413

        async def endless():
            for _ in range(100):
                yield b"x" * 100

        assert (await post(served, endless()))[0] == 413
        bomb = gzip.compress(b"\0" * 1_000_000)[:990]
        assert (await post(served, bomb, headers={"Content-Encoding": "gzip"}))[0] == 413
        assert not served.store.calls
        assert (await post(served))[0] == 200


async def test_memory_is_bounded_over_all_requests() -> None:
    """Requests waiting for their confirmation hold their bytes; the one that does not fit gets 503, later ones 200."""
    large = orjson.dumps({"events": [{**EVENT, "text": "x" * 400_000}]})
    async with serve(max_body_bytes=900_000, max_in_flight_bytes=1_000_000, confirm_timeout_seconds=5) as served:
        served.store.gate.clear()
        waiting = [asyncio.create_task(post(served, large)) for _ in range(2)]
        await until(lambda: served.store.calls == 2)
        assert (await post(served, large))[0] == 503
        served.store.gate.set()
        assert [status for status, *_ in await asyncio.gather(*waiting)] == [200, 200]
        assert (await post(served, large))[0] == 200
        assert served.receiver._budget.used == 0


async def test_slow_senders_are_ended() -> None:
    """A body that trickles in is answered 408 after the read timeout, and the connection is closed."""
    async with serve(read_timeout_seconds=0.2) as served:
        head = b"POST /moengage/streams HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{"
        answer = await raw(served.listener.port, head)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert served.receiver._budget.used == 0


async def test_broken_and_garbled_requests_do_no_harm() -> None:
    """Truncated bodies, bad chunks and bytes that are no HTTP store nothing and leave the receiver well."""
    async with serve() as served:
        port = served.listener.port
        await raw(port, b"POST /moengage/streams HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{", read=False)
        chunked = b"POST /moengage/streams HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert b" 400 " in await raw(port, chunked + b"zz\r\n")
        assert b" 400 " in await raw(port, b"\x16\x03\x01 hello\r\n\r\n")
        assert b" 400 " in await raw(port, b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")
        await asyncio.sleep(0.05)
        assert not served.store.calls
        assert (await post(served))[0] == 200
        assert served.receiver._budget.used == 0


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"52.6.248.125"], b"200"),
        ([b"10.0.0.9, 52.6.248.125"], b"200"),
        ([b"52.6.248.125, 10.0.0.9"], b"403"),
        ([b"52.6.248.125", b"10.0.0.9"], b"403"),
        ([b"10.0.0.9", b"52.6.248.125"], b"200"),
        ([], b"403"),
    ],
)
async def test_the_address_is_what_the_nearest_proxy_says(lines, status) -> None:
    """Behind one proxy the last address counts, whether the proxy lengthens the client's header or adds a line of its own."""
    async with serve(allow_from="dc-01", trusted_proxies=1) as served:
        head = b"POST /moengage/streams HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n" % len(BODY)
        told = b"".join(b"X-Forwarded-For: %b\r\n" % line for line in lines)
        answer = await raw(served.listener.port, head + told + b"\r\n" + BODY)
        assert answer.startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Forwarded: for=52.6.248.125"], b"200"),
        (["Forwarded: For = 52.6.248.125 ;proto=https;by=10.0.0.1"], b"200"),
        (['Forwarded: proto=https;FOR="52.6.248.125:4711"'], b"200"),
        (['Forwarded: for="[::ffff:52.6.248.125]:443";host="a,b;for=1.1.1.1"'], b"200"),
        (["Forwarded: for=10.0.0.9, for=52.6.248.125"], b"200"),
        (["Forwarded: for=10.0.0.9", "Forwarded: for=52.6.248.125"], b"200"),
        (["Forwarded: for=52.6.248.125, for=10.0.0.9"], b"403"),
        (["Forwarded: for=52.6.248.125, for=unknown"], b"403"),
        (['Forwarded: for=52.6.248.125, for="_hidden"'], b"403"),
        (["Forwarded: for=52.6.248.125, proto=https"], b"403"),
        (['Forwarded: host="x;for=52.6.248.125";for=10.0.0.9'], b"403"),
        (['Forwarded: host="x;for=10.0.0.9";for=52.6.248.125'], b"200"),
        (["Forwarded: for=52.6.248.125;for=10.0.0.9"], b"403"),
        (["Forwarded: notfor=52.6.248.125"], b"403"),
        (['Forwarded: for=52.6.248.125;a="', 'Forwarded: for="[2001:db8::1]"'], b"403"),
        (['Forwarded: for=52.6.248.125;a="\\"', 'Forwarded: for="[2001:db8::1]"'], b"403"),
        (["X-Forwarded-For: 10.0.0.9", "Forwarded: for=52.6.248.125"], b"403"),
        (["X-Forwarded-For: 52.6.248.125", "Forwarded: for=10.0.0.9"], b"200"),
    ],
)
async def test_a_proxy_may_write_the_standard_header(lines, status) -> None:
    """RFC 7239's forms are read where there is no X-Forwarded-For, and a client's own words never hide a proxy's."""
    async with serve(allow_from="dc-01", trusted_proxies=1) as served:
        head = b"POST /moengage/streams HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n" % len(BODY)
        told = "".join(f"{line}\r\n" for line in lines).encode()
        answer = await raw(served.listener.port, head + told + b"\r\n" + BODY)
        assert answer.startswith(b"HTTP/1.1 " + status)


async def test_one_connection_too_many_is_told() -> None:
    """At the bound a new connection is answered 503 and closed; when one leaves there is room again."""
    async with serve(max_connections=2) as served:
        open_ones = [await asyncio.open_connection("127.0.0.1", served.listener.port) for _ in range(2)]
        await until(lambda: len(served.listener._runner.server.connections) == 2)
        assert (await raw(served.listener.port, b"")).startswith(b"HTTP/1.1 503 ")
        # Or an alert on what MoEngage is refused would be silent while it drops batches.
        assert served.count("bridge_receiver_requests_total", status="503") == 1
        assert served.receiver.trouble() == "too many connections are open"
        open_ones[0][1].close()
        await until(lambda: len(served.listener._runner.server.connections) == 1)
        assert (await post(served))[0] == 200
        open_ones[1][1].close()


async def test_what_nobody_expected_is_counted(monkeypatch) -> None:
    """Whatever breaks inside is answered 503, so that MoEngage sends again, and is seen in the requests by status."""
    async with serve() as served:

        async def store(_events, _dead_letters):
            raise RuntimeError

        monkeypatch.setattr(served.store, "store", store)
        head = b"POST /moengage/streams HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        assert (await raw(served.listener.port, head % len(BODY) + BODY)).startswith(b"HTTP/1.1 503 ")
        assert served.count("bridge_receiver_requests_total", status="503") == 1


async def test_stopping_finishes_what_is_under_way() -> None:
    """At the stop a request whose body is still coming is finished and stored; a new one is not accepted."""
    async with serve() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.listener.port)
        head = b"POST /moengage/streams HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY)
        writer.write(head + BODY[:10])
        # Before its head has arrived the connection is idle, and ends with the listener.
        await until(lambda: served.receiver._budget.used)
        leaving = asyncio.create_task(served.listener.__aexit__())
        await asyncio.sleep(0.1)
        assert not leaving.done()
        with pytest.raises(aiohttp.ClientError):
            await post(served)
        writer.write(BODY[10:])
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        await leaving
        assert len(served.store.events) == 1
        writer.close()


async def test_port_in_use_is_told() -> None:
    """A port that is taken names the variable to change."""
    async with serve() as served:
        with pytest.raises(BridgeError, match="cannot listen") as caught:
            async with serve(port=served.listener.port):
                pass
        assert "BRIDGE_RECEIVER__PORT" in (caught.value.hint or "")


async def test_tls_with_client_certificates(tmp_path) -> None:
    """With TLS only HTTPS is spoken; with a client CA only clients that it signed get in."""
    made = make_certificates(tmp_path)
    settings = {"tls_certfile": made.broker_bundle, "tls_client_cafile": made.ca}
    async with serve(**settings) as served:
        url = served.url.replace("http://", "https://")
        trusting = ssl.create_default_context(cafile=str(made.ca))
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.ClientError):
                await client.post(url, data=BODY, ssl=trusting)
            trusting.load_cert_chain(made.client_certificate, made.client_key)
            async with client.post(url, data=BODY, ssl=trusting) as answer:
                assert answer.status == 200
    with pytest.raises(SettingsError, match="BRIDGE_RECEIVER__TLS_CERTFILE"):
        async with serve(tls_certfile=tmp_path / "nowhere.pem"):
            pass


async def test_a_handshake_that_fails_is_counted_and_told(tmp_path) -> None:
    """Who cannot shake hands has a batch dropped, and no HTTP tells: no certificate of his own, no TLS at all; a probe is none."""
    made = make_certificates(tmp_path)
    with capture_logs() as lines:
        async with serve(tls_certfile=made.broker_bundle, tls_client_cafile=made.ca) as served:
            url = served.url.replace("http://", "https://")
            nobody = ssl.create_default_context(cafile=str(made.ca))
            async with aiohttp.ClientSession() as client:
                with pytest.raises(aiohttp.ClientError):
                    await client.post(url, data=BODY, ssl=nobody)
                with pytest.raises(aiohttp.ClientError):
                    await client.post(served.url, data=BODY)
            _, probe = await asyncio.open_connection("127.0.0.1", served.listener.port)
            probe.close()
            await probe.wait_closed()
            await until(lambda: served.count("bridge_receiver_requests_total", status="400") >= 2)
            await asyncio.sleep(0.1)
            assert served.count("bridge_receiver_requests_total", status="400") == 2
    told = [line["why"] for line in lines if line["event"] == "tls_handshake_failed"]
    assert told == ["peer did not return a certificate", "http request"]


async def test_certificates_that_were_renewed_tell_as_well(tmp_path) -> None:
    """The context of the new files is another one."""
    made = make_certificates(tmp_path / "one")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(made.broker_bundle.read_bytes())
    async with serve(tls_certfile=bundle) as served:
        bundle.write_bytes(make_certificates(tmp_path / "two").broker_bundle.read_bytes())
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.ClientError):
                await client.post(served.url, data=BODY)
        await until(lambda: served.count("bridge_receiver_requests_total", status="400"))
        assert served.count("bridge_receiver_requests_total", status="400") == 1
