"""What an exchange leaves behind when it fails: nothing."""

import asyncio
import gc
import os
import shutil
import socket
import tracemalloc

import certifi
import httpx
import pytest
from awaiting import until

from bridge.destinations.http.exchange import NoReply, open_client, post

_BODY = 1_000_000
_serving: set[object] = set()
"""Connections whose end has not reached their handler."""


async def _answer_nonsense(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(_BODY)
    writer.write(b"HTTP/1.1 nonsense\r\n\r\n")
    writer.close()


async def _reset(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    writer.close()


async def _say_nothing(reader, writer):
    while await reader.read(1 << 16):
        pass
    writer.close()


def _counted(server):
    async def serve(reader, writer):
        _serving.add(writer)
        try:
            await server(reader, writer)
        finally:
            _serving.discard(writer)

    return serve


@pytest.mark.parametrize("server", [None, _reset, _answer_nonsense, _say_nothing])
async def test_a_failed_request_does_not_keep_its_body(server):
    """Refused, reset, unreadable or too late: the megabyte is free at once, without waiting for the garbage collector."""
    listening = None
    if server is None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
    else:
        listening = await asyncio.start_server(_counted(server), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
    seconds = 0.2 if server is _say_nothing else 5.0
    client = open_client(connections=2, timeout_seconds=seconds)

    async def fail(times):
        for number in range(times):
            # Of its own each time, or they would all be one.
            body = number.to_bytes(1, "big") * _BODY
            reply = await post(
                client,
                f"http://127.0.0.1:{port}/",
                body=body,
                headers={},
                timeout_seconds=seconds,
                most_bytes=1_000_000,
            )
            assert isinstance(reply, NoReply)

    gc.disable()
    tracemalloc.start()
    try:
        await fail(2)
        before = tracemalloc.get_traced_memory()[0]
        await fail(6)
        # The server's side of the last connection has its end a few turns later; the collector, which is off, frees nothing meanwhile.
        await until(lambda: tracemalloc.get_traced_memory()[0] - before < _BODY)
    finally:
        tracemalloc.stop()
        gc.enable()
        await client.aclose()
        if listening is not None:
            listening.close()
            await until(lambda: not _serving)


async def test_authorities_are_read_once_and_again_when_their_file_has_changed(tmp_path, monkeypatch):
    """Clients share what they trust; one that is opened after the file was renewed trusts whom it names now."""
    read, reads = httpx.create_ssl_context, []

    def counted(**named):
        # A transport that is given a context asks for none of its own.
        reads.extend([] if named else ["authorities"])
        return read(**named)

    async def newly_read():
        reads.clear()
        async with open_client(connections=1, timeout_seconds=1):
            return len(reads)

    monkeypatch.setattr(httpx, "create_ssl_context", counted)
    authorities = tmp_path / "authorities.pem"
    shutil.copyfile(certifi.where(), authorities)
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    assert [await newly_read() for _ in range(3)] == [1, 0, 0]
    os.utime(authorities, ns=(1, 1))
    assert [await newly_read() for _ in range(2)] == [1, 0]
    authorities.unlink()
    with pytest.raises(FileNotFoundError):
        await newly_read()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"private-answer 42\r\n\r\n", "what came is no valid HTTP (Bad status line)"),
        (b"HTTP/1.1 private\r\n\r\n", "what came is no valid HTTP (Bad status line)"),
        (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nprivate\r\n", "what came is no valid HTTP ("),
        (b"HTTP/1.1 200 X\r\nX: " + b"private" * 2_000 + b"\r\n\r\n", "what came is no valid HTTP ("),
        (None, "the connection failed: "),
    ],
)
async def test_the_words_of_a_failure_quote_neither_answer_nor_path(answer, words):
    """An inlet's id stands in the path, and anything may stand in an answer: log, health and dead letters have neither."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/collection/private-inlet"
    async with server, open_client(connections=1, timeout_seconds=2) as client:
        for _ in range(3):
            reply = await post(client, url, body=b"x" * 100_000, headers={}, timeout_seconds=2, most_bytes=1_000)
            assert isinstance(reply, NoReply)
            assert "private" not in reply.reason
            assert words in reply.reason
