"""Between Faust and consuming: what Faust's fetch loop does with errors, and what it may and may not do with offsets."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import ConsumerStoppedError, NodeNotReadyError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from structlog.testing import capture_logs

from bridge.kafka.consumer.ledger import Ledger
from bridge.kafka.consumer.stream.app import build_app
from bridge.kafka.consumer.stream.transport import ChunkConsumer
from bridge.model.errors import BridgeError
from bridge.settings import KafkaSettings
from bridge.testing.virtual_loop import VirtualLoop

P0 = ("t", 0)


class _Consumer(ChunkConsumer):
    """A consumer whose fetches are ``rounds``: an error to raise, or chunks to give; it is told to stop behind the last."""

    should_stop = False

    def __init__(self, *rounds):
        self.rounds, self.fetched, self.got = list(rounds), [], []
        self.transport = SimpleNamespace(app=SimpleNamespace(should_stop=False))
        self.app = SimpleNamespace(consumer_generation_id=7)
        self.consumption = SimpleNamespace(chunks=self._chunks)
        self.fetcher = SimpleNamespace(should_stop=False)

    async def _chunks(self, seconds):
        self.fetched.append((asyncio.get_running_loop().time(), seconds))
        found = self.rounds.pop(0)
        self.fetcher.should_stop = not self.rounds
        if isinstance(found, BaseException):
            raise found
        for chunk in found:
            yield chunk

    async def callback(self, message):
        """What Faust does with a message."""
        self.got.append(message)

    def drain(self):
        """Run the fetch loop in virtual time; its log."""
        with capture_logs() as lines, asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(self._drain_messages(self.fetcher))
        return lines


def _chunk():
    ledger = Ledger()
    ledger.open(1, {P0: None})
    records = [SimpleNamespace(timestamp=5_000), SimpleNamespace(timestamp=6_000)]
    return ledger.register_chunk(P0, 1, records, 70, first=3, last=4)


def test_a_message_is_a_chunk():
    """Faust sees its partition, its last offset, its time and its size; the chunk is the value."""
    chunk = _chunk()
    consumer = _Consumer([chunk])
    consumer.drain()
    (message,) = consumer.got
    assert (message.topic, message.partition, message.tp) == ("t", 0, TP(*P0))
    assert (message.offset, message.timestamp, message.timestamp_type) == (4, 6.0, 0)
    assert (message.key, message.value, message.headers, message.generation_id) == (None, chunk, [], 7)
    assert (message.serialized_key_size, message.serialized_value_size) == (0, 70)


def test_an_error_of_the_coordinator_is_tried_again_every_second_and_told_once_a_minute():
    """Nothing was taken out. A line a try would drown the log."""
    consumer = _Consumer(*[NodeNotReadyError()] * 4, [_chunk()])
    lines = consumer.drain()
    times = [at for at, _ in consumer.fetched]
    assert [at - times[0] for at in times] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert {seconds for _, seconds in consumer.fetched} == {1.0}
    assert [(line["log_level"], line["error"]) for line in lines] == [("warning", "NodeNotReadyError")]
    assert len(consumer.got) == 1


def test_records_that_may_have_been_passed_over_end_the_loop():
    """Trying again would acknowledge past them."""
    consumer = _Consumer(BridgeError("3 expected, 5 came"), [_chunk()])
    with pytest.raises(BridgeError, match="3 expected"):
        consumer.drain()
    assert consumer.got == []


@pytest.mark.parametrize("error", [ConsumerStoppedError(), asyncio.CancelledError()])
def test_the_clients_end_is_none_of_the_loop_unless_the_app_stops(error):
    """A client that ends by itself must be seen; one that was told to is in order."""
    with pytest.raises(type(error)):
        _Consumer(error, []).drain()
    consumer = _Consumer(error, [])
    consumer.transport.app.should_stop = True
    consumer.drain()
    assert len(consumer.fetched) == 1


@pytest.mark.parametrize("who", ["consumer", "fetcher"])
def test_the_loop_ends_when_it_is_told_to_and_lets_others_run_meanwhile(who):
    """Also when a fetch never has to wait: whoever tells it needs a turn of the loop."""
    consumer = _Consumer(*[[]] * 1_000)

    async def tell():
        draining = asyncio.create_task(consumer._drain_messages(consumer.fetcher))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        (consumer if who == "consumer" else consumer.fetcher).should_stop = True
        await draining

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(tell())
    assert 0 < len(consumer.fetched) < 10


def test_what_faust_acknowledges_counts_nowhere():
    """It acknowledges what it skips; and nothing is committed without the ledger."""
    message = SimpleNamespace(acked=False)
    assert _Consumer().ack(message) is True
    assert message.acked is True


@pytest.mark.parametrize("stored", [True, False])
async def test_every_commit_of_fausts_is_that_of_the_ledger(stored):
    """By its timer, at a rebalance, or forced."""
    asked = []

    async def commit():
        asked.append(1)
        return stored

    consumer = _Consumer()
    consumer.consumption = SimpleNamespace(commit=commit)
    assert [await consumer.commit(), await consumer.force_commit()] == [stored, stored]
    assert len(asked) == 2


async def test_faust_hears_of_a_rebalance_when_the_ledger_has_finished_with_it(monkeypatch):
    """The old page is closed, and the new one begun, before Faust lets anything in; without a partition there is no page to close."""
    order = []

    async def revoked():
        order.append("finished")

    async def told(_self, partitions, *generation):
        order.append((partitions, *generation))

    monkeypatch.setattr(driver.Consumer, "on_partitions_revoked", told)
    monkeypatch.setattr(driver.Consumer, "on_partitions_assigned", told)
    consumer = _Consumer()
    consumer.consumption = SimpleNamespace(
        revoked=revoked, assigned=lambda partitions: order.append(("begun", partitions))
    )
    consumer.transport = SimpleNamespace(finisher=SimpleNamespace(assigned=lambda: order.append("told")))
    await consumer.on_partitions_revoked(set())
    await consumer.on_partitions_revoked({TP(*P0)})
    await consumer.on_partitions_assigned({TP(*P0)}, 4)
    await consumer.on_partitions_assigned(set())
    assert order == [
        (set(),),
        "finished",
        ({TP(*P0)},),
        ("begun", {TP(*P0)}),
        "told",
        ({TP(*P0)}, 4),
        ("begun", set()),
        "told",
        (set(), 0),
    ]


async def test_a_look_for_the_topic_reaches_the_client():
    """The lag meter asks for it while the topic is not there, and for what has gone with it while nothing is assigned."""
    looked = []

    async def refresh():
        looked.append("for it")

    async def look_back():
        looked.append("back")

    consumer = _Consumer()
    consumer.consumption = SimpleNamespace(refresh=refresh, look_back=look_back)
    await consumer.refresh()
    await consumer.look_back()
    assert looked == ["for it", "back"]


async def test_a_consumer_is_put_together_as_consuming_needs_it():
    """Partitions only while Faust lets records flow; and one commit may take as long as a request."""
    app = build_app(
        KafkaSettings(request_timeout_seconds=61),
        ledger=SimpleNamespace(),
        gate=SimpleNamespace(),
        finisher=SimpleNamespace(),
        reading=SimpleNamespace(),
        process=lambda _chunk: None,
        start_tried=lambda _error: None,
    )
    consumer = app.consumer
    consumption = consumer.consumption
    flow = consumption._flow
    consumer._active_partitions = {TP(*P0)}
    for flowing in (True, False):
        consumer.flow_active = flowing
        assert (flow.open(), set(flow.partitions())) == (flowing, {TP(*P0)} if flowing else set())
    assert flow.ending() is False
    consumer._stopped.set()
    assert flow.ending() is True
    assert consumption._commit_seconds == 61
    assert (consumer._thread.set_aside, consumer.joined) == (False, False)
    consumption.joined = True
    assert consumer.joined
    await asyncio.get_running_loop().run_in_executor(None, consumer._thread.thread_loop.close)


async def test_when_faust_lets_records_flow_again_what_nobody_took_is_given_once_more():
    """It has emptied the stream's queue before; and from then on records flow."""
    consumer, again = _Consumer(), []
    consumer.consumption = SimpleNamespace(hand_on_again=lambda: again.append(consumer.flow_active))
    consumer.can_resume_flow, consumer.suspend_flow = asyncio.Event(), asyncio.Event()
    consumer.stop_flow()
    assert not consumer.flow_active
    consumer.resume_flow()
    assert again == [False], "before anything new comes"
    assert consumer.flow_active
    assert consumer.can_resume_flow.is_set()
    assert not consumer.suspend_flow.is_set()
