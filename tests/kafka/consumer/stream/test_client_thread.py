"""How does the thread of the Kafka client begin and end, and what does its loop do with a connection that has just broken?"""

import asyncio
import socket
import struct
from itertools import pairwise
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.transport.drivers import aiokafka as driver
from thread_scene import thread_on

from bridge.kafka.consumer.stream.app import build_app
from bridge.kafka.consumer.stream.client_thread import ChunkThread
from bridge.settings import KafkaSettings
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


@pytest.fixture
def closed_port():
    """A port at which nobody listens, and which no other test's server gets as long as it is bound here."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def test_a_start_without_brokers_is_told_and_tried_again_without_a_traceback(closed_port, caplog, capfd):
    """Brokers that are gone: each failure is told in the main loop, nothing calls it a crash, and a stop ends the tries in order."""
    caplog.set_level("INFO")
    loop, tried, twice = asyncio.get_running_loop(), [], asyncio.Event()

    def start_tried(error):
        tried.append((type(error), asyncio.get_running_loop() is loop))
        if len(tried) == 2:
            twice.set()

    app = build_app(
        KafkaSettings(bootstrap_servers=(f"127.0.0.1:{closed_port}",)),
        ledger=SimpleNamespace(),
        gate=SimpleNamespace(),
        finisher=SimpleNamespace(),
        reading=SimpleNamespace(),
        process=lambda _chunk: None,
        start_tried=start_tried,
    )
    starting = asyncio.create_task(app.start())
    await asyncio.wait_for(twice.wait(), 60)
    thread = app.consumer._thread
    assert not starting.done()
    assert not app.crashed
    await asyncio.wait_for(app.stop(), 60)
    thread._thread.join(60)
    assert not thread._thread.is_alive()
    assert thread.thread_loop.is_closed()
    assert set(tried) == {(KafkaConnectionError, True)}
    starting.cancel()
    await asyncio.wait([starting])
    assert not [record.getMessage() for record in caplog.records if record.exc_info]
    assert "Traceback" not in capfd.readouterr().err


class _Client:
    """An AIOKafkaConsumer, as far as a start has to do with it."""

    def __init__(self, closing):
        self.closing = closing
        self.stopped = 0

    async def stop(self):
        self.stopped += 1
        await asyncio.sleep(self.closing)


def test_each_try_has_a_client_of_its_own_and_waits_longer_than_the_last(monkeypatch):
    """The client of a failed start is closed, within three seconds; pauses double up to five seconds; success is told once."""
    made, told, times = [], [], []

    async def on_start(self):
        times.append(asyncio.get_running_loop().time())
        self._consumer = _Client(closing=60.0 if len(made) == 1 else 0.0)
        made.append(self._consumer)
        if len(made) < 7:
            raise KafkaConnectionError if len(made) % 2 else ConnectionResetError

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "on_start", on_start)
    monkeypatch.setattr(ChunkThread, "not_connected", lambda _self, error: told.append(type(error)))
    monkeypatch.setattr(ChunkThread, "connected", lambda _self, consumer: told.append(consumer))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(thread_on(None).on_start())
    assert [after - before for before, after in pairwise(times)] == [0.5, 3.0 + 1.0, 2.0, 4.0, 5.0, 5.0]
    assert [client.stopped for client in made] == [1, 1, 1, 1, 1, 1, 0]
    assert told == [*(3 * [KafkaConnectionError, ConnectionResetError]), made[-1]]


def test_a_start_that_fails_before_there_is_a_client_is_tried_again_too(monkeypatch):
    """There is none to close: its certificates could not be read, for example."""
    failures = [FileNotFoundError()]

    async def on_start(self):
        if failures:
            raise failures.pop()
        self._consumer = "the client"

    told = []
    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "on_start", on_start)
    monkeypatch.setattr(ChunkThread, "not_connected", lambda _self, error: told.append(type(error)))
    monkeypatch.setattr(ChunkThread, "connected", lambda _self, consumer: told.append(consumer))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(thread_on(None, _consumer=None).on_start())
    assert told == [FileNotFoundError, "the client"]


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
        await thread_on(None).on_thread_stop()
        return asyncio.get_running_loop().time() - begun

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(stop()) == (3.0 if error is None else 0.0)


async def test_a_stop_ends_a_start_that_hangs_and_finds_a_thread_that_has_ended(other_loop, monkeypatch):
    """Brokers that say nothing keep a start for as long as a request may take; a closed loop has nobody to tell."""
    main, begun, stopped = asyncio.get_running_loop(), asyncio.Event(), asyncio.Queue()

    def told():
        main.call_soon_threadsafe(stopped.put_nowait, 1)

    monkeypatch.setattr(
        driver.AIOKafkaConsumerThread, "_stopped_set", lambda self: self.thread_loop.call_soon_threadsafe(told)
    )

    async def start():
        thread._serving = asyncio.current_task()
        main.call_soon_threadsafe(begun.set)
        await asyncio.sleep(3_600)

    thread = thread_on(other_loop, _stopped=asyncio.Event())
    starting = asyncio.run_coroutine_threadsafe(start(), other_loop)
    await begun.wait()
    thread._stopped_set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.wrap_future(starting), 60)
    assert (await stopped.get(), thread._stopped.is_set()) == (1, False)
    thread._serving = None
    thread._stopped_set()
    assert (await stopped.get(), thread._stopped.is_set()) == (1, False)
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
    thread = thread_on(None)
    await thread._serve()
    assert (told, thread._serving) == ([True, "started"], None)


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
    thread_on(loop)._close_loop()
    assert loop.is_closed()
    assert (loop.time() - begun, done) == ((3.0, []) if stubborn else (2.0, [1]))
    assert task.done() is not stubborn


def test_a_thread_without_tasks_closes_its_loop():
    """There is nothing to wait for."""
    loop = VirtualLoop()
    thread_on(loop)._close_loop()
    assert loop.is_closed()
