"""How soon events flow again when workers are killed, stopped for a while or started anew, with the default settings, on a real Kafka.

The table "How soon it flows again" of docs/reliability.md has the figures; ``pytest -s`` prints them.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import orjson
import pytest
from confluent_kafka import Producer

from bridge.settings import KafkaSettings
from bridge.testing.numbered_events import by_id, event
from bridge.testing.processes import eventually
from bridge.testing.rig import Rig

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.kafka, pytest.mark.slow(30)]

_RATE = 200
_STOPPED = 1.0
"""Seconds without a new event at AEP that count as a stop: a linger of half a second passes anyway."""
_HURRIED = (
    "BRIDGE_KAFKA__SESSION_TIMEOUT_SECONDS",
    "BRIDGE_KAFKA__COMMIT_INTERVAL_SECONDS",
    "BRIDGE_AEP__LINGER_SECONDS",
)


class _Defaults(Rig):
    """The rig without the settings that hurry other tests."""

    @property
    def settings(self) -> dict[str, str]:
        return {key: value for key, value in super().settings.items() if key not in _HURRIED}


class _Flow:
    """Events at a steady rate into the topic, and when AEP had new ones."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=each) for each in (self._write, self._watch)]
        self.arrivals = [time.monotonic()]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def stops(self, since: float) -> list[float]:
        """Seconds of each stop since then, the one that lasts still included."""
        times = [since, *(at for at in self.arrivals if at > since), time.monotonic()]
        return [after - at for at, after in pairwise(times) if after - at > _STOPPED]

    def flows(self, since: float, within: float) -> float:
        """Seconds from then until AEP has something new, a moment later than what was under way."""
        eventually(
            lambda: self.arrivals[-1] > since + _STOPPED, within=within, what="AEP has something new", every=0.05
        )
        return next(at for at in self.arrivals if at > since + _STOPPED) - since

    def _write(self) -> None:
        producer = Producer({"bootstrap.servers": self._rig.bootstrap, "linger.ms": 5, "acks": "all"})
        number, begun = 0, time.monotonic()
        while not self._ending.wait(0.05):
            for each in range(number, int((time.monotonic() - begun) * _RATE)):
                document = event(each)
                self._rig.sent |= (found := by_id(document))
                self._rig.promised |= set(found)
                producer.produce(self._rig.topic, value=orjson.dumps(document), key=document["uid"])
                number = each + 1
            producer.poll(0)
        assert producer.flush(30) == 0

    def _watch(self) -> None:
        seen = 0
        while not self._ending.wait(0.05):
            if (found := self._rig.emulator.received()["unique"]) != seen:
                self.arrivals.append(time.monotonic())
                seen = found


def _rig(kafka: str, topic: Any, folder: Any) -> Rig:
    """Six partitions and a topic for the restart memory; the rest as by default."""
    return _Defaults(kafka, topic, folder, BRIDGE_KAFKA__STATE_TOPIC=topic("state", partitions=1))


@pytest.fixture
def rig(kafka: str, topic: Any, tmp_path: Any) -> Iterator[Rig]:
    """One route."""
    with _rig(kafka, topic, tmp_path) as rig:
        yield rig


def _assignments(workers: Any) -> int:
    return sum(line["event"] == "partitions_assigned" for worker in workers for line in worker.log_lines())


def _nothing_repeated_nothing_lost(rig: Rig) -> None:
    rig.wait_drained()
    assert rig.emulator.received()["duplicates"] == 0
    assert set(rig.promised) == set(rig.emulator.accepted())


@pytest.mark.serial
def test_after_a_kill_of_the_only_worker_events_flow_again_within_twelve_seconds(kafka, topic, tmp_path):
    """The group misses a member that did not leave after one session; the next worker's start falls into that time.

    Two deployments side by side, as nearly all of it is waiting; the second is killed at another time between two heartbeats.
    """
    with ExitStack() as ends:
        rigs = [ends.enter_context(_rig(kafka, topic, tmp_path / name)) for name in ("a", "b")]
        workers = [rig.worker("worker-0") for rig in rigs]
        with ExitStack() as ending:
            flows = [ending.enter_context(_Flow(rig)) for rig in rigs]
            eventually(lambda: all(len(flow.arrivals) > 5 for flow in flows), within=20, what="events flow")
            killed = []
            for rig, worker in zip(rigs, workers, strict=True):
                killed.append(time.monotonic())
                worker.kill9()
                rig.run("worker", name="worker-1")
                time.sleep(KafkaSettings().heartbeat_seconds / 2)
            for flow, at in zip(flows, killed, strict=True):
                took = flow.flows(at, within=30)
                print(f"kill -9 of the only worker: flows again after {took:.1f} s")  # noqa: T201
                assert took < 12
        for rig in rigs:
            rig.wait_drained()
            assert set(rig.promised) == set(rig.emulator.accepted())


@pytest.mark.serial
def test_a_worker_that_is_stopped_for_five_seconds_keeps_its_partitions(rig):
    """SIGSTOP for 5 s, wherever between two heartbeats: no rebalance, nothing sent twice."""
    workers = [rig.worker("worker-0"), rig.worker("worker-1")]
    with _Flow(rig) as flow:
        eventually(lambda: all(w.metric("bridge_assigned_partitions") == 3 for w in workers), within=30, what="joined")
        eventually(lambda: len(flow.arrivals) > 5, within=20, what="events flow")
        before = _assignments(workers)
        heartbeat = KafkaSettings().heartbeat_seconds
        for turn in range(3):
            time.sleep(1 + heartbeat * turn / 3)
            workers[1].pause()
            time.sleep(5)
            workers[1].resume()
        time.sleep(3)
        assert _assignments(workers) == before
    _nothing_repeated_nothing_lost(rig)


@pytest.mark.parametrize(("answers", "most"), [pytest.param(0.0, 3.0, marks=pytest.mark.serial), (2.0, None)])
def test_a_planned_restart_of_one_of_three_workers(rig, answers, most):
    """SIGTERM, and a new worker: less than three seconds without new events in all, and nothing twice while answers come
    within half a session.
    """
    workers = [rig.worker(f"worker-{number}") for number in range(3)]
    rig.emulator.control(latency_seconds=answers)
    with _Flow(rig) as flow:
        eventually(lambda: all(w.metric("bridge_assigned_partitions") == 2 for w in workers), within=30, what="joined")
        eventually(lambda: len(flow.arrivals) > 5, within=20, what="events flow")
        began = time.monotonic()
        workers[0].terminate()
        assert workers[0].wait(30) == 0
        workers[0] = rig.run("worker", name="worker-3")
        eventually(lambda: all(w.metric("bridge_assigned_partitions") == 2 for w in workers), within=60, what="joined")
        time.sleep(3 + 2 * answers)
        stops = flow.stops(began)
        print(f"planned restart, AEP answers after {answers:g} s: stops {[round(each, 1) for each in stops]}")  # noqa: T201
        assert most is None or sum(stops) < most
    _nothing_repeated_nothing_lost(rig)
