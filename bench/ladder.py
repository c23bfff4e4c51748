"""The ladder: the same records through every rung, in turn and repeated, into the same sink."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from bench.brokers import EMBEDDED_PARTITIONS, Feed, embedded_broker, real_broker
from bench.course import Sample
from bench.records import SIZE, check_handwritten, records
from bench.rungs import Rung, environment, rungs
from bench.stage import MEASURED, Child, SinkProcess, cleaned, folder, preload, spent_on
from bridge.testing.processes import start_tied

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.testing.kafka.embedded import EmbeddedKafka

PARTITIONS = 6
FEW = 2_000
"""Records of the short run that tells what starting up costs."""
_QUIET = 0.08
"""What others, the kernel among them, may take of the measured core; beyond it events/s say how busy the machine was."""
_SETTLE = 1.0
"""Seconds after the last expected event in which repeated ones may still come."""


def run_once(
    rung: Rung,
    sink: SinkProcess,
    topic: str,
    count: int,
    where: Path,
    *,
    bootstrap: str,
    dead: str,
    startup: float = 0.0,
    profile: Path | None = None,
    cores: set[int] = MEASURED,
    course: list[Sample] | None = None,
    feed: Feed | None = None,
) -> dict[str, Any]:
    """One rung over the whole topic.

    ``startup``: CPU seconds that the same takes over ``FEW`` records; ``course`` is filled; ``feed`` writes the topic meanwhile. Raises ``RuntimeError`` when it ends or stands still before the end.
    """
    assert rung.command is not None
    sink.clear()
    log = where / f"{rung.name}-{uuid4().hex[:6]}" / "peer.log"
    profiler = None
    told = environment(rung, sink, bootstrap, topic, dead)
    child = Child(rung.command, told, log, cores=cores, family="--processes" in rung.command)
    try:
        began: tuple[float, int, float] | None = None
        core = 0.0
        last, moved = 0, time.monotonic()
        while True:
            moment, events, _ = sink.progress()
            cpu = child.cpu()
            if feed is not None:
                feed.go_on(events)
            if events != last:
                last, moved = events, time.monotonic()
                if course is not None:
                    course.append(Sample(moment, events, cpu))
            if began is None and events:
                began, core = (moment, events, cpu), spent_on(cores)
                if profile is not None:
                    profiler = start_tied(
                        [
                            "py-spy",
                            "record",
                            "-p",
                            str(child.pid),
                            "-o",
                            str(profile),
                            "-f",
                            "raw",
                            "-r",
                            "250",
                            "-d",
                            "600",
                            "--gil",
                        ],
                        log=log.with_name("py-spy.log"),
                    )
            if events >= count:
                break
            if not child.alive or time.monotonic() - moved > 60:
                raise RuntimeError(f"{rung.name} stopped at {events} of {count}:\n{child.tail()}")
            time.sleep(0.02)
        assert began is not None
        ended = (moment, events, cpu)
        core = spent_on(cores) - core
        time.sleep(_SETTLE)
        memory = child.memory()
    finally:
        if profiler is not None:
            profiler.send_signal(signal.SIGINT)  # py-spy writes its file on it
            profiler.wait(20)
        code = child.stop()
    came = sink.ask("verify")
    done = ended[1] - began[1]
    seconds, spent = ended[0] - began[0], ended[2] - began[2]
    return {
        "events_per_second": done / max(seconds, 0.001),
        # What is done before the first arrival counts too, all but starting up: two runs of different length differ by it.
        "cpu_seconds_per_million": (ended[2] - startup) / max(1, count - (FEW if startup else 0)) * 1e6,
        "cpu_seconds": ended[2],
        "busy": spent / max(seconds, 0.001),
        "others": max(0.0, core - spent) / max(seconds, 0.001),
        "peak_mb": memory,
        "requests": came["requests"],
        "mean_batch": came["events"] / came["requests"],
        "lost": count - came["unique"],
        "repeated": came["events"] - came["unique"],
        "refused": came["refused"],
        "exit": code,
    }


def run(
    count: int,
    repeats: int,
    only: set[str] | None = None,
    profile: Path | None = None,
    say: Callable[[str], None] = print,
    *,
    embedded: bool = False,
) -> dict[str, Any]:
    """Every rung (or ``only`` these) over the same topic, one after the other, so often. ``embedded``: without a real Kafka."""
    say(f"hand-written and shipped mapping agree on {check_handwritten()} events")
    named = [rung for rung in rungs() if (not rung.asked if only is None else rung.name in only)]
    chosen = [rung.ready(say) for rung in named]
    with ExitStack() as stack:
        where = Path(stack.enter_context(folder()))
        topic, few, dead = "bench", "bench-few", "bench-dead"
        kafka: EmbeddedKafka | None = None
        if embedded:
            kafka = stack.enter_context(embedded_broker((few, dead)))
            bootstrap, partitions = kafka.bootstrap, EMBEDDED_PARTITIONS
            mean = sum(len(value) for _, value in records(FEW)) / FEW
        else:
            bootstrap, partitions = (
                stack.enter_context(real_broker(where, {topic: PARTITIONS, few: PARTITIONS, dead: 1})),
                PARTITIONS,
            )
            mean = preload(bootstrap, topic, records(count))
        kind = "the embedded broker, written while they are read" if embedded else "Apache Kafka"
        say(f"{count} records of {mean:.0f} bytes in {partitions} partitions of {kind}")
        sinks = {raw: SinkProcess(where, raw=raw) for raw in {rung.raw for rung in chosen if rung.command}}
        preload(bootstrap, few, records(FEW))
        found: dict[str, list[dict[str, Any]]] = {rung.name: [] for rung in chosen}
        startup: dict[str, float] = {}
        failed: dict[str, str] = {}
        try:
            for turn in range(repeats):
                for rung in chosen:
                    if rung.command is None or rung.name in failed:
                        continue
                    go = partial(run_once, rung, sinks[rung.raw], where=where, bootstrap=bootstrap, dead=dead)
                    try:
                        if rung.name not in startup:
                            startup[rung.name] = min(go(few, FEW)["cpu_seconds"] for _ in range(2))
                        feed = None
                        if kafka is not None:
                            topic = f"bench-{turn}-{rung.name}"
                            kafka.create(topic)
                            feed = Feed(bootstrap, topic, count)
                        one = go(topic, count, startup=startup[rung.name], profile=profile, feed=feed)
                    except RuntimeError as error:
                        failed[rung.name] = str(error)
                        say(f"  {turn + 1} {rung.name}: {error}")
                        continue
                    found[rung.name].append(one)
                    say(
                        f"  {turn + 1} {rung.name:14} {one['events_per_second']:8.0f} events/s  {one['cpu_seconds_per_million']:6.1f} CPU s"
                        f"/million  {one['peak_mb']:4.0f} MB  lost {one['lost']}  repeated {one['repeated']}  exit {one['exit']}"
                        + (
                            f"  disturbed: others took {one['others']:.0%} of its core"
                            if one["others"] > _QUIET
                            else ""
                        )
                    )
        finally:
            for sink in sinks.values():
                sink.stop()
    rows = [_row(rung, found[rung.name], found.get("floor") or [], failed.get(rung.name)) for rung in chosen]
    return {
        "records": count,
        "record_bytes": round(mean),
        "partitions": partitions,
        "broker": "embedded" if embedded else "kafka",
        "repeats": repeats,
        "rungs": rows,
    }


def _row(rung: Rung, runs: list[dict[str, Any]], floor: list[dict[str, Any]], failed: str | None) -> dict[str, Any]:
    if not runs:
        return {"name": rung.name, "label": rung.label, "skipped": failed or rung.skipped}
    row: dict[str, Any] = {"name": rung.name, "label": rung.label}
    for key in ("events_per_second", "cpu_seconds_per_million", "busy", "others", "peak_mb", "mean_batch", "requests"):
        median, spread = cleaned([one[key] for one in runs])
        row[key] = round(median, 3 if key in ("busy", "others") else 1)
        row[f"{key}_spread"] = round(spread, 3)
    # Paired: each run beside the floor's run of the same turn.
    pairs = list(zip(runs, floor, strict=False))
    if pairs:
        row["of_floor"] = round(
            cleaned([one["events_per_second"] / other["events_per_second"] for one, other in pairs])[0], 3
        )
        row["of_floor_by_cpu"] = round(
            cleaned([other["cpu_seconds_per_million"] / one["cpu_seconds_per_million"] for one, other in pairs])[0], 3
        )
    for key in ("lost", "repeated", "refused"):
        row[key] = max(one[key] for one in runs)
    row["runs"] = [round(one["events_per_second"]) for one in runs]
    return row


__all__ = ["SIZE", "run"]
