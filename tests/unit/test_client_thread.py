"""The loop under the Kafka client: what it does with a connection that has just broken."""

import asyncio
import inspect
import socket
import struct
from types import SimpleNamespace

import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from bridge.pipeline.app import build_app
from bridge.pipeline.client_thread import ChunkThread
from bridge.pipeline.transport import ChunkConsumer
from bridge.settings import KafkaSettings


async def _write_after_loss():
    """Write to a connection after its transport has noticed the reset."""

    async def reset(reader, writer):
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"x")
    while not writer.transport.is_closing():  # noqa: ASYNC110 - the transport tells nobody
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    try:
        writer.write(b"y")
    except OSError:
        pass
    finally:
        server.close()


def test_writing_to_a_broken_connection_raises_nothing_that_the_client_does_not_expect(monkeypatch):
    """The client expects OSError at most; anything else ends its task that looks for brokers, and with it all commits."""
    made = {}
    monkeypatch.setattr(
        "faust.transport.drivers.aiokafka.AIOKafkaConsumerThread.__init__",
        lambda _self, *_args, thread_loop, **_more: made.update(loop=thread_loop),
    )
    ChunkThread(SimpleNamespace())
    loop = made["loop"]
    try:
        loop.run_until_complete(_write_after_loss())
    finally:
        loop.close()


async def test_a_start_without_brokers_raises_once_and_leaves_no_traceback(caplog, capfd):
    """Brokers that are gone: the error reaches whoever starts the app, nothing calls it a crash, and the stop is in order."""
    caplog.set_level("INFO")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    app = build_app(
        KafkaSettings(bootstrap_servers=(f"127.0.0.1:{port}",)),
        ledger=SimpleNamespace(),
        gate=SimpleNamespace(),
        finisher=SimpleNamespace(),
        take=lambda _chunk: None,
    )
    with pytest.raises(KafkaConnectionError):
        await asyncio.wait_for(app.start(), 10)
    thread = app.consumer._thread
    assert not app.crashed
    await asyncio.wait_for(app.stop(), 10)
    thread._thread.join(5)
    assert not thread._thread.is_alive()
    assert thread.thread_loop.is_closed()
    assert not [record.getMessage() for record in caplog.records if record.exc_info]
    assert "Traceback" not in capfd.readouterr().err


async def test_only_who_has_nothing_to_do_lets_the_brokers_keep_a_fetch():
    """Records came, or not every partition was asked: the next fetch is kept briefly. Nothing anywhere: as long as Faust wants."""
    thread = object.__new__(ChunkThread)
    fetcher = SimpleNamespace(_fetch_max_wait_ms=1_500, _records={})
    thread._ensure_consumer = lambda: SimpleNamespace(_fetcher=fetcher)
    answers = iter([{("t", 0): ["a record"]}, {}, {}])

    async def fetched(*_args, **_how):
        return next(answers)

    thread._fetch_records = fetched
    kept = []
    for whole in (True, False, True):
        await thread.fetch({("t", 0)}, 1.0, 10, whole=whole)
        kept.append(fetcher._fetch_max_wait_ms)
    assert kept == [50, 50, 1_500]


def test_the_installed_client_asks_the_brokers_as_told():
    """The fetcher reads how long a fetch may be kept when it makes one; another version might keep a copy."""
    source = inspect.getsource(Fetcher._get_actions_per_node)
    assert "self._fetch_max_wait_ms" in source


def test_a_full_stream_leaves_no_partition_out():
    """The gate bounds what waits; Faust would leave out single partitions and wait for the others while theirs is here."""
    consumer = object.__new__(ChunkConsumer)
    partition = TP("t", 0)
    consumer._active_partitions = {partition}
    consumer.on_buffer_full(partition)
    assert consumer._active_partitions == {partition}
