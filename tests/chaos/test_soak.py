"""A long time at a steady rate with a fault every minute: what lives through it is as large at the end as it was before.

``make soak SECONDS=3600``; without ``--soak-seconds`` it is not run. Only faults that worker and receiver survive: they
are never ended, so that what they take can be told to be flat. One worker carries all the load, as what it leaks it leaks
soonest so; a second joins and leaves. Three brokers, as breaking one of one would stop what is to be steady.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil
import pytest
from counting import DeadLetter, Findings, judge
from faults import KINDS, steady
from foresight import Foresight
from report import Done, Report
from running import came_back, drained, fresh_event_arrives, something_new
from sender import ChaosSender
from soak_report import Soak
from stage import DEAD_LETTERS, Scale, Stage
from tally import Accepted
from usage import Cpu, Usage

from bridge.routes.event_builder import load_builder
from bridge.settings import Settings
from bridge.testing.kafka.stored_records import stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faults import Planned

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

_SCALE = Scale(
    workers=1,
    batch_events=500,
    max_in_flight=10_000,
    aep_batch_seconds=15.0,
    # Some minutes' worth: what was delivered long ago need not fill the disk.
    topic={"retention.bytes": str(256 << 20), "segment.bytes": str(64 << 20)},
)


async def test_nothing_grows_and_nothing_is_lost(soak, kafka_cluster, tmp_path):
    """Memory, descriptors, threads and tasks of worker and receiver are flat over the run, and every event is accounted for."""
    report = Report(soak.seed, soak.rate, datetime.now(UTC).isoformat(timespec="seconds"))
    plan = steady(soak.seed, soak.seconds, every=soak.every)
    print(f"\nsoak: {soak.seconds:g} s, seed {soak.seed}, {len(plan)} faults planned")
    sender = ChaosSender(
        ("moengage", "a-password"), soak.rate, random.Random(soak.seed), time.monotonic, sizes=(100,), at_once=32
    )
    done: list[Done] = []
    setting = Stage(kafka_cluster, tmp_path, lambda: sender.deliverable, lambda: sender.under_way, _SCALE)
    with Foresight() as foresight:
        async with setting as stage:
            lives = {name: role.process.pid for name, role in stage.roles.items()}
            begun = time.monotonic()
            usage = Usage({name: role.process for name, role in stage.roles.items()}, begun)
            cpu, lag = Cpu(), list[tuple[float, int]]()
            watching = [asyncio.create_task(each) for each in (usage.run(), _watch(stage, cpu, foresight, sender, lag))]
            posting = asyncio.create_task(sender.run(stage.receiver_url, stage.receiver_trust))
            troubles = await _faults(stage, plan, begun, done)
            await asyncio.sleep(begun + soak.seconds - time.monotonic())
            report.seconds = round(time.monotonic() - begun, 1)
            for task in watching:
                task.cancel()
            ends = await asyncio.gather(*watching, return_exceptions=True)
            assert [end for end in ends if not isinstance(end, asyncio.CancelledError)] == []
            report.recovery_seconds = await fresh_event_arrives(stage, sender)
            sender.stop()
            await posting
            report.drained_seconds = await drained(stage)
            report.came_back_seconds = await came_back(stage)
            judged = time.monotonic()
            findings = await _judged(stage, sender, foresight)
            report.faults = done
            report.fill(sender, stage, findings)
            survived = {name: stage.roles[name].process.pid for name in lives}
    result = Soak(report, cpu_seconds=cpu.used(), lag=lag, judged_seconds=time.monotonic() - judged)
    result.harness_rss_mb = psutil.Process().memory_info().rss / 2**20
    result.measure(usage)
    result.write(soak.report)
    print(result.table())
    print(f"report: {soak.report}")
    assert findings.wrong == {}
    assert troubles == []
    assert findings.duplicates <= report.duplicates_bound
    assert survived == lives
    assert [f"{each.name} ended with {each.code}:\n{each.tail}" for each in stage.surprises] == []
    assert result.climbing == []
    if soak.seconds >= 600:
        assert [f"{each.process} {each.measure}" for each in result.measured if each.line is None] == []
    # It must have been one: at the rate that was asked for, but for what a standing receiver holds up.
    assert report.promised > 0.9 * soak.rate * report.seconds


async def _faults(stage: Stage, plan: Sequence[Planned], begun: float, done: list[Done]) -> list[str]:
    """One after the other; what did not recover from one as it should is told, and the run goes on."""
    troubles: list[str] = []
    for planned in plan:
        await asyncio.sleep(begun + planned.at - time.monotonic())
        began = time.monotonic()
        try:
            await KINDS[planned.kind].inject(stage, planned)
        except AssertionError as trouble:
            troubles.append(f"{planned.kind} at {planned.at:g} s: {trouble}")
        ended = time.monotonic()
        again = await something_new(stage, 20.0)
        done.append(Done(planned.kind, planned.lane, round(began - begun, 2), round(ended - begun, 2), again))
    return troubles


async def _watch(
    stage: Stage, cpu: Cpu, foresight: Foresight, sender: ChaosSender, lag: list[tuple[float, int]]
) -> None:
    fresh, begun = False, time.monotonic()
    while True:
        if stage.progress is not None:
            lag.append((round(time.monotonic() - begun, 1), stage.progress.lag))
        pids = {name: role.process.pid for name, role in stage.roles.items() if role.process.alive}
        pids |= {f"broker-{each.node.id}": each.pid for each in stage.cluster.brokers if each.alive}
        foresight.reach(sender.next)
        if foresight.pid is not None:
            pids["judge"] = foresight.pid
        cpu.look(pids | {"harness": os.getpid()}, running=not fresh)
        fresh = True
        await asyncio.sleep(2.0)


async def _judged(stage: Stage, sender: ChaosSender, foresight: Foresight) -> Findings:
    rows = await asyncio.to_thread(stored, stage.cluster.bootstrap, DEAD_LETTERS, 300.0)
    letters = [DeadLetter(row.value, {name: text.decode() for name, text in row.headers}) for row in rows]
    builder, _ = load_builder(Settings())
    assert builder is not None
    accepted = Accepted(stage.emulator.state)
    return await asyncio.to_thread(
        judge,
        sender.promised,
        sender.next,
        accepted,
        letters,
        builder,
        dataset=stage.dataset.ingested,
        digests=foresight.of(sender.next),
    )
