"""What of the main loop's reaches the client in its thread, and what does whoever asks hear when there is no thread?"""

import asyncio
import inspect
from collections import deque
from types import SimpleNamespace

import pytest
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from thread_scene import PARTITIONS, thread_on

from bridge.kafka.consumer.gate import FETCH_BYTES
from bridge.kafka.consumer.stream.app import build_app
from bridge.kafka.consumer.stream.client_thread import FromMainLoop, NumberedAssignments
from bridge.settings import KafkaSettings

pytestmark = pytest.mark.clock


async def test_the_client_is_configured_for_what_the_promise_needs():
    """Nothing is committed by itself, all is read from the first record on and checked, only what is committed; topics are seen soon."""
    app = build_app(
        KafkaSettings(group="a-group"),
        ledger=SimpleNamespace(),
        gate=SimpleNamespace(),
        finisher=SimpleNamespace(),
        reading=SimpleNamespace(),
        process=lambda _chunk: None,
        start_tried=lambda _error: None,
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
    main = FromMainLoop(thread_on(other_loop, fetching=fetching))
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
    thread = thread_on(None)
    with pytest.raises(ConsumerStoppedError):
        await FromMainLoop(thread).touch()
    assert thread.topic_partitions("t") is None
    thread.client = SimpleNamespace(topic_partitions={"t": 4}.get)
    assert thread.topic_partitions("t") == 4


async def test_a_thread_that_has_ended_is_told_as_the_end_of_the_consumer(other_loop):
    """Its loop is closed, or cancels what it was doing; who is cancelled itself hears that."""

    async def cancelled():
        raise asyncio.CancelledError

    thread = thread_on(other_loop)
    with pytest.raises(ConsumerStoppedError):
        await thread.inside(cancelled())
    main, begun = asyncio.get_running_loop(), asyncio.Event()

    async def hang():
        main.call_soon_threadsafe(begun.set)
        await asyncio.sleep(3_600)

    waiting = asyncio.create_task(thread.inside(hang()))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    closed = asyncio.SelectorEventLoop()
    closed.close()
    work = asyncio.sleep(60)
    with pytest.raises(ConsumerStoppedError):
        await thread_on(closed).inside(work)
    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED


async def test_an_assignment_is_numbered_before_its_records_can_be_fetched(monkeypatch):
    """The client fetches for it as soon as it is let on."""
    order = []

    async def on_partitions_assigned(_self, assigned):
        order.append(assigned)

    monkeypatch.setattr(driver.ConsumerRebalanceListener, "on_partitions_assigned", on_partitions_assigned)
    fetching = SimpleNamespace(assigned=lambda: order.append("numbered"))
    await NumberedAssignments(SimpleNamespace(fetching=fetching)).on_partitions_assigned(PARTITIONS)
    assert order == ["numbered", PARTITIONS]


async def test_a_thread_that_has_connected_fetches_from_its_client(monkeypatch):
    """What is asked of the one reaches the other."""

    async def on_start(_self):
        pass

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "on_start", on_start)
    looked, tried = [], []
    consumer = SimpleNamespace(
        _fetcher=SimpleNamespace(_fetch_max_wait_ms=500),
        _client=SimpleNamespace(force_metadata_update=lambda: looked.append(1)),
    )
    main = asyncio.get_running_loop()
    thread = thread_on(None, set_aside=False, _consumer=consumer, parent_loop=main, start_tried=tried.append)
    await thread.on_start()
    await thread.fetching.refresh()
    await asyncio.sleep(0)
    assert tried == [None]
    assert looked == [1]
    assert thread.fetching.number == 0
