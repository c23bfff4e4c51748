"""Everything is broken at random, and every event is counted: what was answered 200 is in AEP or in the dead letters.

``make chaos SECONDS=1800`` runs long; ``--chaos-seed`` repeats a schedule (how the machine interleaves it is its own
affair). Without options it is a short run, with every kind of fault.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import second_route
from alerting import Prometheus, names_of
from counting import DeadLetter, Findings, judge
from faults import KINDS, LANES, schedule
from guarded_mapping import guarded_builder
from reconciled import ask_for_sum, wrong_in
from report import Done, Report
from running import came_back, drained, fresh_event_arrives, something_new
from second_route import SecondRoute, stopping
from sender import ChaosSender
from stage import DEAD_LETTERS, Stage
from tally import Accepted
from told import unalarmed, unseen
from watching import Watcher

from bridge.routes.event_builder import load_builder
from bridge.settings import Settings
from bridge.testing.kafka.stored_records import stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faults import Planned

pytestmark = [pytest.mark.kafka, pytest.mark.slow(100)]

_CALM = 5.0
"""Seconds without faults at the beginning and the end."""
_SEEN_BY = {
    "400": "aep_400_for_the_whole",
    "401": "ims_token_revoked",
    "413": "aep_413",
    "429": "aep_429_seconds",
    "500": "aep_500",
    "503": "aep_503",
    "reset": "aep_reset_before",
}
"""What the emulator has answered when a fault has struck, and a fault that makes it do so."""


async def _lane(
    stage: Stage, lane: Sequence[Planned], begun: float, until: float, done: list[Done], *, patience: float
) -> None:
    """One lane's faults, one after the other; what no longer fits in is left out. After each, ``patience`` seconds at
    most are waited for something new at AEP: other lanes' faults may keep it away.
    """
    for planned in lane:
        await asyncio.sleep(begun + planned.at - time.monotonic())
        if (began := time.monotonic()) > until:
            return
        before = stage.emulator.faults.struck
        await KINDS[planned.kind].inject(stage, planned)
        ended = time.monotonic()
        struck = stage.emulator.faults.struck - before if planned.lane == "aep" else None
        # Brokers recover side by side with everything else; the time until data flows is told by the other two lanes.
        again = await something_new(stage, patience) if planned.lane != "broker" else None
        done.append(Done(planned.kind, planned.lane, round(began - begun, 2), round(ended - begun, 2), again, struck))


async def _strike_again(stage: Stage, plan: Sequence[Planned], begun: float, done: list[Done]) -> None:
    """What found nobody to strike, because another lane's fault kept every request away just then, gets another turn."""
    for status, kind in _SEEN_BY.items():
        planned = next(each for each in plan if each.kind == kind)
        for turn in range(1, 4):
            if status in stage.emulator.state.requests:
                break
            await something_new(stage, 20.0)
            again = replace(planned, at=time.monotonic() - begun, dice=planned.dice + turn)
            await _lane(stage, [again], begun, math.inf, done, patience=20.0)


async def test_nothing_is_lost_whatever_is_broken(kafka_cluster, tmp_path, chaos):
    """Faults of AEP, processes and brokers at random, mixed: lost 0, payloads equal, duplicates bounded, and it recovers."""
    report = Report(chaos.seed, chaos.rate, datetime.now(UTC).isoformat(timespec="seconds"))
    plan = schedule(chaos.seed, chaos.seconds, gaps=chaos.gaps, pace=chaos.pace, only=chaos.only)
    print(f"\nchaos: seed {chaos.seed} (--chaos-seed={chaos.seed} repeats its schedule), {len(plan)} faults planned")
    done: list[Done] = []
    sender = ChaosSender(("moengage", "a-password"), chaos.rate, random.Random(chaos.seed), time.monotonic)
    stage_of_run = Stage(kafka_cluster, tmp_path, lambda: sender.deliverable, lambda: sender.under_way)
    async with AsyncExitStack() as watching:
        # The short run has two routes; the long one puts all its load on one.
        second = await watching.enter_async_context(SecondRoute(random.Random(chaos.seed))) if chaos.brief else None
        stage_of_run.second = second
        stage = await watching.enter_async_context(stage_of_run)
        stage.next_number, stage.given_up = lambda: sender.next, lambda: sender.given_up
        stage.backtracking = sender.backtracking
        watcher = await watching.enter_async_context(Watcher(stage))
        prometheus = await watching.enter_async_context(Prometheus(stage, tmp_path / "prometheus"))
        if prometheus.missing:
            print(f"alerts are not watched: {prometheus.missing}")
        posting = asyncio.create_task(sender.run(stage.receiver_url, stage.receiver_trust))
        posting_too = second and asyncio.create_task(
            second.sender.run(f"{stage.receiver_url}/calm", stage.receiver_trust)
        )
        await asyncio.sleep(_CALM)
        begun = time.monotonic()
        async with asyncio.TaskGroup() as lanes:
            for name in LANES:
                lane = [planned for planned in plan if planned.lane == name]
                lanes.create_task(
                    _lane(stage, lane, begun, begun + (chaos.seconds or math.inf), done, patience=chaos.patience)
                )
        if chaos.seconds is None and not chaos.only:
            await _strike_again(stage, plan, begun, done)
        report.seconds = round(time.monotonic() - begun, 1)
        report.recovery_seconds = await fresh_event_arrives(stage, sender)
        await asyncio.sleep(_CALM)
        sender.stop()
        await posting
        report.drained_seconds = await drained(stage)
        report.came_back_seconds = await came_back(stage)
        findings = await _judged(stage, sender)
        summed = await ask_for_sum(
            stage.environment, tmp_path, report.began, *(() if second is None else ("--route", "default"))
        )
        complete = not stage.deletions and not stage.deleted_topics
        left_over = wrong_in(summed, promised=len(sender.promised), complete=complete)
        print(f"reconcile: {summed}")
        if second and posting_too:
            second.sender.stop()
            await posting_too
            await second.finished()
            assert (await _judged_second(stage, second)).wrong == {}
            held_up = second.held_up(done, begun)
            print(f"route calm: {len(second.sender.promised)} promised, lost 0, held up by {held_up or 'nothing'}")
            # Now and then a broker or the receiver was broken at the same time.
            assert len(held_up) <= len(stopping(done)) / 2
        report.faults = sorted(done, key=lambda each: each.began)
        report.fill(sender, stage, findings)
        watcher.write(chaos.report.with_suffix(".looks.jsonl"), begun)
        harmless = _harmless(stage, done, begun, findings.gone)
        report.unseen = unseen(done, watcher.observations, begun, harmless=harmless)
        report.alerts = names_of(prometheus.standing)
        if prometheus.missing:
            report.without_prometheus = f"not watched: {prometheus.missing}"
        else:
            report.unseen += unalarmed(done, watcher.observations, prometheus.standing, begun, harmless=harmless)
    report.write(chaos.report)
    print(report.table())
    print(f"report: {chaos.report}")
    assert findings.wrong == {}
    assert left_over == []
    assert report.unseen == []
    assert findings.duplicates <= report.duplicates_bound
    assert [f"{each.name} ended with {each.code}:\n{each.tail}" for each in stage.surprises] == []
    # The run must have been one: most of what was posted was promised, and every kind of fault had its turn and struck.
    assert report.promised > chaos.rate * report.seconds / 3
    assert report.came_back > 0
    if chaos.only:
        assert {fault.kind for fault in done} == set(chaos.only)
    elif chaos.seconds is None or chaos.seconds >= 900:
        assert {fault.kind for fault in done} == {
            name for name, kind in KINDS.items() if kind.brief or chaos.seconds is not None
        }
        assert {"207", *_SEEN_BY} <= set(report.aep_requests)


async def _judged(stage: Stage, sender: ChaosSender) -> Findings:
    state = stage.emulator.state
    rows = await asyncio.to_thread(stored, stage.cluster.bootstrap, DEAD_LETTERS)
    letters = [DeadLetter(row.value, {name: text.decode() for name, text in row.headers}) for row in rows]
    found = await asyncio.to_thread(
        judge,
        sender.promised,
        sender.next,
        Accepted(state),
        letters,
        guarded_builder(stage.mapping_file),
        hanging=stage.hanging,
        backtracking=stage.backtracking,
        dataset=stage.dataset.ingested,
    )
    # What Kafka was made to delete is gone; that it was told is asked elsewhere.
    expired = stage.expired
    found.gone = {number for number in found.lost if number in expired}
    found.lost = [number for number in found.lost if number not in expired]
    return found


async def _judged_second(stage: Stage, second: SecondRoute) -> Findings:
    rows = await asyncio.to_thread(stored, stage.cluster.bootstrap, second_route.DEAD_LETTERS)
    letters = [DeadLetter(row.value, {name: text.decode() for name, text in row.headers}) for row in rows]
    builder, _ = load_builder(Settings())
    assert builder is not None
    sender, accepted = second.sender, Accepted(second.emulator.state)
    return await asyncio.to_thread(judge, sender.promised, sender.next, accepted, letters, builder)


def _harmless(stage: Stage, done: Sequence[Done], begun: float, gone: set[int]) -> list[float]:
    """Deletions of records that workers held already, and delivered: nothing was lost, so nothing need be told."""
    lossless = [at - begun for at, numbers in stage.deletions if not numbers & gone]
    return [each.began for each in done if any(abs(each.began - at) < 0.05 for at in lossless)]
