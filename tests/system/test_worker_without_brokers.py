"""The worker when its brokers are gone: it says so soon, and stops cleanly and in time all the same."""

import asyncio
import contextlib
import json

import pytest
from test_worker_delivery import Scene, _ended, _until

from bridge.testing.kafka.admin import create_topic
from bridge.testing.kafka.broker import Broker
from bridge.testing.processes import get, logged_at

pytestmark = pytest.mark.kafka
_NOISE = ("Traceback", "Event loop is closed", "never awaited", "was destroyed", "cutting off")


@pytest.fixture
def own_broker(tmp_path):
    """A broker that a test may stop."""
    with Broker(tmp_path / "kafka") as broker:
        yield broker


def _seconds_of_the_end(worker):
    """From the line in which the worker takes the signal to its last one, by its own clock."""
    (began,) = _lines(worker, "draining")
    return logged_at(json.loads(worker.tail(1))) - logged_at(began)


def _noise(worker):
    return [line for line in worker.tail(1_000_000).splitlines() if any(word in line for word in _NOISE)]


async def test_brokers_that_vanish_are_told_soon_and_do_not_hold_up_the_end(own_broker, tmp_path):
    """Killed brokers: unready within seconds. After the session is over it joins in vain; SIGTERM ends it without a traceback."""

    def topic(kind="events", **options):
        return create_topic(own_broker.bootstrap, f"vanish.{kind}", **options)

    async with Scene(own_broker.bootstrap, topic, tmp_path) as scene:
        await scene.produce(100)
        worker = scene.worker()
        await _until(lambda: not scene.missing, 40, "the first events")
        own_broker.kill9()
        await _until(lambda: "brokers" in get(worker.url + "/health/ready")[1], 15, "unready because of the brokers")
        await asyncio.sleep(10)
        worker.terminate()
        await _ended(worker, 30)
        assert _seconds_of_the_end(worker) < 5 + 5 + 2
        assert not _noise(worker)


async def test_a_start_that_hangs_does_not_hold_up_the_end(own_broker, tmp_path):
    """Brokers that hold connections and say nothing while the consumer starts: SIGTERM ends it without a traceback."""

    def topic(kind="events", **options):
        return create_topic(own_broker.bootstrap, f"silent.{kind}", **options)

    async with Scene(own_broker.bootstrap, topic, tmp_path) as scene:
        await scene.produce(10)
        worker = scene.worker()
        while "kafka_connected" not in worker.tail(1_000):
            assert worker.alive, worker.tail()
            await asyncio.sleep(0.02)
        own_broker.pause()
        try:
            await asyncio.sleep(4)
            assert worker.alive
            worker.terminate()
            await _ended(worker, 30)
            assert _seconds_of_the_end(worker) < 5 + 5 + 2
            assert not _noise(worker)
        finally:
            own_broker.resume()
        scene.worker("next")
        await _until(lambda: not scene.missing, 60, "the next worker delivers")


class _Bootstrap:
    """The way to a broker that closes the connections of Faust's client, whose first request names it, until ``open`` is set."""

    def __init__(self, broker):
        self._broker = broker.bootstrap.split(":")
        self.open = False
        self.refused = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _pass_on(self, reader, writer):
        request = await reader.read(4096)
        if b"faust" in request and not self.open:
            self.refused += 1
            writer.close()
            return
        to, back = await asyncio.open_connection(*self._broker)
        back.write(request)

        async def copy(source, target):
            with contextlib.suppress(OSError):
                while read := await source.read(65_536):
                    target.write(read)
            target.close()

        await asyncio.gather(copy(reader, back), copy(to, writer))


def _lines(worker, event):
    return [line for line in map(json.loads, worker.tail(1_000_000).splitlines()) if line.get("event") == event]


async def test_brokers_that_go_away_as_the_stream_begins_are_waited_for(own_broker, tmp_path):
    """The producer has connected, the consumer finds nobody: unready with the reason, one line, and at work once the brokers answer."""

    def topic(kind="events", **options):
        return create_topic(own_broker.bootstrap, f"begins.{kind}", **options)

    async with _Bootstrap(own_broker) as way, Scene(own_broker.bootstrap, topic, tmp_path) as scene:
        scene.settings["BRIDGE_KAFKA__BOOTSTRAP_SERVERS"] = way.address
        await scene.produce(100)
        worker = scene.worker()
        await _until(lambda: way.refused >= 3, 30, "three starts that failed")
        assert worker.alive
        # A start tries more than one connection, and is told once it has failed.
        await _until(lambda: "brokers: the stream cannot start: Kafka at" in _reasons(worker), 20, "the reason is told")
        way.open = True
        await _until(lambda: not scene.missing, 30, "the events")
        await _until(lambda: get(worker.url + "/health/ready")[0] == 200, 10, "ready again")
        worker.terminate()
        assert await _ended(worker, 20) == 0
        assert [line["level"] for line in _lines(worker, "stream_not_started")] == ["warning"]
        assert len(_lines(worker, "stream_started")) == 1
        assert not _noise(worker)


async def test_a_stop_ends_a_start_that_is_tried_again_and_again(own_broker, tmp_path):
    """Nothing was begun: SIGTERM ends it at once, with 0."""

    def topic(kind="events", **options):
        return create_topic(own_broker.bootstrap, f"given-up.{kind}", **options)

    async with _Bootstrap(own_broker) as way, Scene(own_broker.bootstrap, topic, tmp_path) as scene:
        scene.settings["BRIDGE_KAFKA__BOOTSTRAP_SERVERS"] = way.address
        worker = scene.worker()
        await _until(lambda: way.refused >= 2, 30, "two starts that failed")
        worker.terminate()
        assert await _ended(worker, 30) == 0
        assert _seconds_of_the_end(worker) < 5 + 5
        assert not _noise(worker)


def _reasons(worker):
    status, body = get(worker.url + "/health/ready")
    reasons = json.loads(body).get("reasons", {}) if status else {}
    return "; ".join(f"{name}: {why}" for name, why in reasons.items())
