"""The loop under the Kafka client: what it does with a connection that has just broken."""

import asyncio
import contextlib
import inspect
import socket
import struct
import threading
from collections import deque
from types import SimpleNamespace

import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import ConsumerStoppedError, KafkaConnectionError
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from bridge.kafka.consumer.client.aiokafka_client import AiokafkaClient
from bridge.kafka.consumer.client.fetching import Fetching
from bridge.kafka.consumer.consumption import Consumption, Flow
from bridge.kafka.consumer.gate import FETCH_BYTES, Gate
from bridge.kafka.consumer.ledger import Ledger
from bridge.kafka.consumer.reading import Reading
from bridge.kafka.consumer.stream.app import build_app
from bridge.kafka.consumer.stream.client_thread import ChunkThread, FromMainLoop, NumberedAssignments
from bridge.kafka.consumer.stream.transport import ChunkConsumer
from bridge.settings import KafkaSettings
from bridge.telemetry.metrics import Metrics
from bridge.testing.virtual_loop import VirtualLoop

pytestmark = pytest.mark.clock


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
        process=lambda _chunk: None,
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
        process=lambda _chunk: None,
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
            evidence=lambda _ahead: 0,
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
    assert (await asyncio.wait_for(fetching, 0.2)).records == {}
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
        ledger.register_chunk(partition, 0, record, 1, first=first, last=first)
        for first in range(3)
        for partition in PARTITIONS
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


def _thread(loop, **more):
    thread = object.__new__(ChunkThread)
    thread.__dict__ |= {"thread_loop": loop, **more}
    return thread


@pytest.fixture
def other_loop():
    """A loop that runs in a thread of its own."""
    loop = asyncio.SelectorEventLoop()
    running = threading.Thread(target=loop.run_forever)
    running.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    running.join()
    loop.close()


async def test_what_the_main_loop_asks_runs_in_the_clients_loop(other_loop):
    """The client knows one loop only; number and expired records are read at once."""
    asked = []

    def answer(name, value):
        async def method(*arguments):
            assert asyncio.get_running_loop() is other_loop
            asked.append((name, *arguments))
            return value

        return method

    expired, gone = deque(), deque()
    fetching = SimpleNamespace(
        number=3,
        expired=expired,
        gone=gone,
        **{name: answer(name, name) for name in ("fetch", "touch", "store", "noted", "survey", "refresh", "look_back")},
    )
    main = FromMainLoop(_thread(other_loop, fetching=fetching))
    assert (main.number, main.expired is expired, main.gone is gone) == (3, True, True)
    assert await main.fetch({PARTITIONS[0]}, 1.0, 10) == "fetch"
    assert await main.store(3, {PARTITIONS[0]: 5}, {}) == "store"
    assert await main.noted(3, [PARTITIONS[0]]) == "noted"
    assert await main.survey([PARTITIONS[0]]) == "survey"
    await main.touch()
    await main.refresh()
    await main.look_back()
    assert asked == [
        ("fetch", {PARTITIONS[0]}, 1.0, 10),
        ("store", 3, {PARTITIONS[0]: 5}, {}),
        ("noted", 3, [PARTITIONS[0]]),
        ("survey", [PARTITIONS[0]]),
        ("touch",),
        ("refresh",),
        ("look_back",),
    ]


async def test_before_the_thread_has_started_nobody_can_be_asked():
    """As when it has ended; and how many partitions a topic has is not known."""
    thread = _thread(None)
    with pytest.raises(ConsumerStoppedError):
        await FromMainLoop(thread).touch()
    assert thread.topic_partitions("t") is None
    thread.client = SimpleNamespace(topic_partitions={"t": 4}.get)
    assert thread.topic_partitions("t") == 4


async def test_a_thread_that_has_ended_is_told_as_the_end_of_the_consumer(other_loop):
    """Its loop is closed, or cancels what it was doing; who is cancelled itself hears that."""

    async def cancelled():
        raise asyncio.CancelledError

    thread = _thread(other_loop)
    with pytest.raises(ConsumerStoppedError):
        await thread.inside(cancelled())
    waiting = asyncio.create_task(thread.inside(asyncio.sleep(60)))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    closed = asyncio.SelectorEventLoop()
    closed.close()
    work = asyncio.sleep(60)
    with pytest.raises(ConsumerStoppedError):
        await _thread(closed).inside(work)
    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED


@pytest.mark.parametrize("error", [None, asyncio.CancelledError()])
def test_a_client_that_does_not_close_is_given_up_after_three_seconds(monkeypatch, error):
    """Or that lets out the cancellation of its own tasks: the worker would wait for a thread that has ended."""

    async def on_thread_stop(_self):
        if error is not None:
            raise error
        await asyncio.sleep(60)

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "on_thread_stop", on_thread_stop)

    async def stop():
        begun = asyncio.get_running_loop().time()
        await _thread(None).on_thread_stop()
        return asyncio.get_running_loop().time() - begun

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(stop()) == (3.0 if error is None else 0.0)


async def test_an_assignment_is_numbered_before_its_records_can_be_fetched(monkeypatch):
    """The client fetches for it as soon as it is let on."""
    order = []

    async def on_partitions_assigned(_self, assigned):
        order.append(assigned)

    monkeypatch.setattr(driver.ConsumerRebalanceListener, "on_partitions_assigned", on_partitions_assigned)
    fetching = SimpleNamespace(assigned=lambda: order.append("numbered"))
    await NumberedAssignments(SimpleNamespace(fetching=fetching)).on_partitions_assigned(PARTITIONS)
    assert order == ["numbered", PARTITIONS]


async def test_a_stop_ends_a_start_that_hangs_and_finds_a_thread_that_has_ended(other_loop, monkeypatch):
    """Brokers that say nothing keep a start for as long as a request may take; a closed loop has nobody to tell."""
    stopped = []
    monkeypatch.setattr(
        driver.AIOKafkaConsumerThread,
        "_stopped_set",
        lambda self: self.thread_loop.call_soon_threadsafe(stopped.append, 1),
    )

    async def start():
        thread._serving = asyncio.current_task()
        await asyncio.sleep(60)

    thread = _thread(other_loop, _stopped=asyncio.Event())
    starting = asyncio.run_coroutine_threadsafe(start(), other_loop)
    await asyncio.sleep(0.05)
    thread._stopped_set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.wrap_future(starting), 1)
    assert (stopped, thread._stopped.is_set()) == ([1], False)
    thread._serving = None
    thread._stopped_set()
    closed = asyncio.SelectorEventLoop()
    closed.close()
    thread.thread_loop = closed
    thread._stopped_set()
    assert thread._stopped.is_set()


async def test_a_thread_that_has_started_waits_for_its_stop_by_itself(monkeypatch):
    """From there on a stop cancels nothing: what is under way has its own bounds."""
    told = []

    async def serve(self):
        told.append(self._serving is asyncio.current_task())
        await self.on_thread_started()

    async def on_thread_started(_self):
        told.append("started")

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_serve", serve)
    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "on_thread_started", on_thread_started)
    thread = _thread(None)
    await thread._serve()
    assert (told, thread._serving) == ([True, "started"], None)


async def test_a_thread_that_has_connected_fetches_from_its_client(monkeypatch):
    """What is asked of the one reaches the other."""

    async def on_start(_self):
        pass

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "on_start", on_start)
    looked = []
    consumer = SimpleNamespace(
        _fetcher=SimpleNamespace(_fetch_max_wait_ms=500),
        _client=SimpleNamespace(force_metadata_update=lambda: looked.append(1)),
    )
    thread = _thread(None, set_aside=False, _consumer=consumer)
    await thread.on_start()
    await thread.fetching.refresh()
    assert looked == [1]
    assert thread.fetching.number == 0


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_thread_ends_its_tasks_before_its_loop(stubborn):
    """Each may finish what it does when it is cancelled, for three seconds."""
    loop, done = VirtualLoop(), []

    async def work():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(5 if stubborn else 2)
            done.append(1)
            raise

    begun, task = loop.time(), loop.create_task(work())
    loop.run_until_complete(asyncio.sleep(0))
    _thread(loop)._close_loop()
    assert loop.is_closed()
    assert (loop.time() - begun, done) == ((3.0, []) if stubborn else (2.0, [1]))
    assert task.done() is not stubborn


def test_a_thread_without_tasks_closes_its_loop():
    """There is nothing to wait for."""
    loop = VirtualLoop()
    _thread(loop)._close_loop()
    assert loop.is_closed()
