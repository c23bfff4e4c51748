"""The loop under the Kafka client: what it does with a connection that has just broken."""

import asyncio
import contextlib
import inspect
import socket
import struct
from types import SimpleNamespace

import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaConnectionError
from faust.tables.recovery import Recovery
from faust.types import TP

from bridge.pipeline.app import build_app
from bridge.pipeline.client_thread import ChunkThread
from bridge.pipeline.consumption import Consumption, Flow
from bridge.pipeline.fetching import Fetching
from bridge.pipeline.gate import FETCH_BYTES, Gate
from bridge.pipeline.kafka_client import AiokafkaClient
from bridge.pipeline.ledger import Ledger
from bridge.pipeline.reading import Reading
from bridge.pipeline.transport import ChunkConsumer
from bridge.settings import KafkaSettings
from bridge.telemetry.metrics import Metrics


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
        reading=SimpleNamespace(),
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


async def test_the_client_is_configured_for_what_the_promise_needs():
    """Nothing is committed by itself, all is read from the first record on and checked, only what is committed; topics are seen soon."""
    app = build_app(
        KafkaSettings(group="a-group"),
        ledger=SimpleNamespace(),
        gate=SimpleNamespace(),
        finisher=SimpleNamespace(),
        reading=SimpleNamespace(),
        take=lambda _chunk: None,
        set_aside=True,
    )
    thread = app.consumer._thread
    client = thread._create_consumer(loop=asyncio.get_running_loop())
    assert client._isolation_level == "read_committed"
    assert (client._group_id, client._enable_auto_commit, client._auto_offset_reset) == ("a-group", False, "earliest")
    assert client._check_crcs is True
    assert client._client._metadata_max_age_ms == 30_000
    assert client._max_partition_fetch_bytes == FETCH_BYTES
    assert thread.set_aside
    await asyncio.get_running_loop().run_in_executor(None, thread.thread_loop.close)


PARTITIONS = [TP("t", 0), TP("t", 1)]


class _Client:
    """aiokafka's own fetcher without brokers, under our client, fetching and consuming; ``asked`` counts the fetches."""

    def __init__(self, *, max_bytes=64_000_000):
        self.fetcher = object.__new__(Fetcher)
        never = asyncio.get_running_loop().create_future()
        self.fetcher.__dict__ |= {
            "_loop": asyncio.get_running_loop(),
            "_records": {},
            "_fetch_waiters": set(),
            "_fetch_max_wait_ms": 1_500,
            "_closed": False,
            "_fetch_task": never,
            "_wait_consume_future": None,
            "_subscriptions": SimpleNamespace(
                reassignment_in_progress=False, fetch_context=contextlib.nullcontext, subscription=None
            ),
        }
        self.asked = 0
        self.client = AiokafkaClient(SimpleNamespace(_fetcher=self.fetcher, _closed=False))
        self.client.touch = self._touched
        self.fetching = Fetching(self.client, asyncio.get_running_loop().time)
        ledger = self.ledger = Ledger()
        gate = self.gate = Gate(
            ledger,
            max_events=1_000,
            max_bytes=max_bytes,
            blocked=lambda: False,
            starved=lambda: False,
            metrics=Metrics(),
        )
        self.consumption = Consumption(
            self.fetching,
            Flow(lambda: set(PARTITIONS), lambda: True, lambda: False),
            ledger=ledger,
            gate=gate,
            finisher=SimpleNamespace(),
            reporting=Reading(Metrics(), lambda: 0.0),
            commit_seconds=1.0,
        )
        self.consumption.assigned(PARTITIONS)

    def _touched(self):
        self.asked += 1

    def receive(self, partition):
        """Records of a partition have come; nobody asks for them here, so that their kind does not matter."""
        self.fetcher._records[partition] = object()
        for waiter in list(self.fetcher._fetch_waiters):
            self.fetcher._notify(waiter)

    async def round(self):
        async for _ in self.consumption.chunks(1.0):
            raise AssertionError("there are no records")


async def test_only_who_has_nothing_to_do_lets_the_brokers_keep_a_fetch():
    """Records are held that were not asked for: the next fetch is kept briefly. Nothing anywhere: as long as Faust wants."""
    client = _Client()
    kept = []
    for held in ({}, {PARTITIONS[1]: "records"}, {}):
        client.fetcher._records = held
        await client.fetching.fetch({PARTITIONS[0]}, 0.01, 10)
        kept.append(client.fetcher._fetch_max_wait_ms)
    assert kept == [1_500, 50, 1_500]


async def test_an_idle_worker_with_more_partitions_than_room_does_not_spin():
    """Room for one full fetch and two partitions: with nothing to read the client is asked about once a second, not fifty times."""
    client = _Client(max_bytes=1_000_000)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            while True:
                await client.round()
    assert client.asked <= 2
    await asyncio.sleep(0)
    assert not client.fetcher._fetch_waiters


async def test_what_comes_for_a_partition_that_was_not_asked_ends_the_wait():
    """It may be its turn now; and from here on the brokers must not keep a fetch for the others."""
    client = _Client()
    fetching = asyncio.create_task(client.fetching.fetch({PARTITIONS[0]}, 1.0, 10))
    await asyncio.sleep(0.05)
    assert not fetching.done()
    client.receive(PARTITIONS[1])
    assert (await asyncio.wait_for(fetching, 0.2)).taken == {}
    assert client.fetcher._fetch_max_wait_ms == 50


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


async def test_what_faust_dropped_from_the_stream_is_handed_on_again():
    """Faust empties the stream whenever it resumes; four chunks lost so would keep the gate closed for ever."""
    client = _Client()
    ledger = client.ledger
    consumer = object.__new__(ChunkConsumer)
    consumer.__dict__ |= {
        "consumption": client.consumption,
        "app": SimpleNamespace(consumer_generation_id=1),
        "can_resume_flow": asyncio.Event(),
        "suspend_flow": asyncio.Event(),
        "flow_active": True,
    }
    record = [SimpleNamespace(timestamp=0)]
    chunks = [
        ledger.fetch(partition, 0, record, 1, first=first, last=first) for first in range(3) for partition in PARTITIONS
    ]
    assert not client.gate.open
    ledger.admit(chunks[0], 1)
    consumer.resume_flow()
    ledger.admit(chunks[1], 1)
    handed = [message.value async for _, message in consumer.getmany(timeout=1.0)]
    assert handed == [chunks[2], chunks[4], chunks[3], chunks[5]]
    assert [message async for _, message in consumer.getmany(timeout=1.0)] == [], "once"


def test_the_installed_faust_empties_the_stream_before_it_lets_the_consumer_go_on():
    """Only so does the consumer know what was dropped."""
    source = inspect.getsource(Recovery._resume_streams)
    assert source.index("flow_control.resume()") < source.index("consumer.resume_flow()")
