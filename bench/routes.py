"""What a route costs, and how late it is, beside two that are held: AEP is away for one, another's credentials are refused.

The third has a steady load, with the linger that comes by default; its worker runs alone (``worker --route third``) and with the
others under one parent (``worker``), in turns. The same events are written to all three topics in either case, so that the
brokers' load is the same. Its figures are those of its own process. Nothing may be lost: the third's events have all arrived,
those of the held ones are all in Kafka, uncommitted, and none is a dead letter.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from bench.receiver import percentile
from bench.records import records
from bench.stage import Child, SinkProcess, cleaned
from bridge.settings import variable
from bridge.settings.tree import route_variable
from bridge.testing.kafka.offsets import lag_of
from bridge.testing.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HELD = ("away", "refused")
THIRD = "third"
RATE = 1_000
_HELD_RATE = 200
_A_SECOND = 10
"""Batches a second that are written."""
_WARM_SECONDS = 3.0
_PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Turn:
    """CPU seconds per million events, and seconds from Kafka's door to AEP's answer."""

    cpu_seconds_per_million: float
    p50: float
    p99: float
    lost: int


class _Load:
    """Writes events into the three topics, each stamped with the moment; ``sent`` counts by route."""

    def __init__(self, bootstrap: str, topics: dict[str, str]) -> None:
        from confluent_kafka import Producer

        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 2, "acks": "all", "log_level": 0})
        self._topics = topics
        self._numbers = {name: _endless() for name in topics}
        self.sent = dict.fromkeys(topics, 0)

    def write(self, seconds: float) -> int:
        """For so long; how many of the third's."""
        before, began = self.sent[THIRD], time.monotonic()
        for turn in range(round(seconds * _A_SECOND)):
            time.sleep(max(0.0, began + turn / _A_SECOND - time.monotonic()))
            for name, topic in self._topics.items():
                count = (RATE if name == THIRD else _HELD_RATE) // _A_SECOND
                for _ in range(count):
                    key, event = next(self._numbers[name])
                    event["user_attributes"]["sent_at"] = time.time()
                    self._producer.produce(topic, orjson.dumps(event), key=key)
                self.sent[name] += count
            self._producer.poll(0)
        if self._producer.flush(30):
            raise RuntimeError("Kafka did not take every event")
        return self.sent[THIRD] - before


def _endless() -> Iterator[tuple[bytes, dict[str, Any]]]:
    for key, value in records(1 << 40):
        yield key, orjson.loads(value)


def run(
    bootstrap: str, where: Path, *, seconds: float = 20.0, pairs: int = 5, say: Callable[[str], None]
) -> dict[str, Any]:
    """Figures of each turn, and the medians of what a turn beside the others is of the one alone before it."""
    from bridge.testing.kafka.admin import create_topic

    run_id = uuid4().hex[:8]
    names = (*HELD, THIRD)
    topics = {name: create_topic(bootstrap, f"bench-{name}-{run_id}", partitions=_PARTITIONS) for name in names}
    dead = {name: create_topic(bootstrap, f"bench-{name}-{run_id}-dead", partitions=1) for name in names}
    sink = SinkProcess(where, raw=True)
    settings = _settings(bootstrap, sink, topics, dead)
    load = _Load(bootstrap, topics)
    alone: list[Turn] = []
    beside: list[Turn] = []
    try:
        for number in range(pairs):
            for turns, options in ((alone, ("--route", THIRD)), (beside, ())):
                turns.append(
                    _turn(settings, where / f"{number}-{len(options)}", options, sink=sink, load=load, seconds=seconds)
                )
            say(f"pair {number + 1} of {pairs}: alone {_words(alone[-1])}; beside {_words(beside[-1])}")
        held = {name: sum(lag_of(bootstrap, topics[name], topics[name]).values()) for name in HELD}
        letters = {name: sum(lag_of(bootstrap, dead[name], "bench-letters").values()) for name in names}
    finally:
        sink.stop()
    both = list(zip(alone, beside, strict=True))
    cpu, cpu_spread = cleaned([b.cpu_seconds_per_million / a.cpu_seconds_per_million for a, b in both])
    p99, p99_spread = cleaned([b.p99 / a.p99 for a, b in both])
    return {
        "rate": RATE,
        "pairs": pairs,
        "seconds": seconds,
        **{
            f"{name}_{figure}": round(cleaned([getattr(turn, figure) for turn in turns])[0], 3)
            for name, turns in (("alone", alone), ("beside", beside))
            for figure in ("cpu_seconds_per_million", "p50", "p99")
        },
        "cpu_beside_to_alone": round(cpu, 3),
        "cpu_spread": round(cpu_spread, 3),
        "p99_beside_to_alone": round(p99, 3),
        "p99_spread": round(p99_spread, 3),
        "lost": sum(turn.lost for turn in (*alone, *beside)) + sum(load.sent[name] - held[name] for name in HELD),
        "dead_letters": sum(letters.values()),
    }


def table(found: dict[str, Any]) -> str:
    """As lines."""
    return "\n".join(
        [
            "",
            f"a route at {found['rate']} events/s, alone and beside two that are held; {found['pairs']} pairs of {found['seconds']:g} s, medians",
            *(
                f"  {name:7} {found[f'{name}_cpu_seconds_per_million']:7.1f} CPU s/M"
                f"  p50 {found[f'{name}_p50'] * 1e3:4.0f} ms  p99 {found[f'{name}_p99'] * 1e3:4.0f} ms"
                for name in ("alone", "beside")
            ),
            (
                f"  beside to alone, by pairs: CPU {found['cpu_beside_to_alone']:.3f} ± {found['cpu_spread']:.3f},"
                f" p99 {found['p99_beside_to_alone']:.3f} ± {found['p99_spread']:.3f}; lost {found['lost']}, dead letters {found['dead_letters']}"
            ),
        ]
    )


def _words(turn: Turn) -> str:
    return f"{turn.cpu_seconds_per_million:.1f} CPU s/M, p99 {turn.p99 * 1e3:.0f} ms"


def _settings(bootstrap: str, sink: SinkProcess, topics: dict[str, str], dead: dict[str, str]) -> dict[str, str]:
    found = {
        variable("kafka", "bootstrap_servers"): bootstrap,
        variable("telemetry", "port"): "0",
        variable("telemetry", "log_format"): "json",
    }
    for name, topic in topics.items():
        own = sink.environment | {
            "BRIDGE_KAFKA__TOPIC": topic,
            "BRIDGE_KAFKA__GROUP": topic,
            "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": dead[name],
            "BRIDGE_AEP__EVENTS_PER_SECOND": "0",
            "BRIDGE_AEP__REQUESTS_PER_SECOND": "0",
        }
        if name == "away":
            own["BRIDGE_AEP__ENDPOINT"] = f"http://127.0.0.1:{free_port()}/collection/{'a' * 64}"
        if name == "refused":
            own["BRIDGE_OAUTH__CLIENT_SECRET"] = "not-the-secret"  # noqa: S105 - what is refused
        for key, value in own.items():
            section, setting = key.removeprefix("BRIDGE_").lower().split("__", 1)
            found[route_variable(name, section, setting)] = value
    return found


def _turn(
    settings: dict[str, str], where: Path, options: tuple[str, ...], *, sink: SinkProcess, load: _Load, seconds: float
) -> Turn:
    worker = Child([sys.executable, "-m", "bridge", "worker", *options], settings, where / "worker.log")
    try:
        _through(sink, load, _WARM_SECONDS, worker)
        pid = worker.pid if options else _member(worker.pid)
        sink.clear()
        before = _cpu(pid)
        count = _through(sink, load, seconds, worker)
        spent = _cpu(pid) - before
        taken, told = sink.ask("latencies"), sink.ask("verify")
        return Turn(spent / count * 1e6, percentile(taken, 0.5), percentile(taken, 0.99), count - told["unique"])
    finally:
        worker.stop()


def _through(sink: SinkProcess, load: _Load, seconds: float, worker: Child) -> int:
    """Write for so long and wait until all of it has arrived."""
    before = sink.progress()[1]
    count = load.write(seconds)
    until = time.monotonic() + 60
    while (arrived := sink.progress()[1] - before) < count:
        if not worker.alive or time.monotonic() > until:
            raise RuntimeError(f"{count - arrived} events have not arrived:\n{worker.tail()}")
        time.sleep(0.05)
    return count


def _member(parent: int) -> int:
    """The process of the third route."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="utf-8").split():
        if f"--route\0{THIRD}\0" in Path(f"/proc/{child}/cmdline").read_text(encoding="utf-8"):
            return int(child)
    raise RuntimeError(f"process {parent} has no process of route {THIRD}")


def _cpu(pid: int) -> float:
    """Seconds of CPU of one process so far, all threads, to the nanosecond."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text(encoding="utf-8").split()[0]) for thread in threads) / 1e9
