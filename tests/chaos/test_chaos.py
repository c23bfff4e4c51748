"""Everything is broken at random, and every event is counted: what was answered 200 is in AEP or in the dead letters.

``make chaos SECONDS=1800`` runs long; ``--chaos-seed`` repeats a schedule (how the machine interleaves it is its own
affair). Without options it is a short run, with every kind of fault.
"""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from counting import DeadLetter, judge
from faults import KINDS, schedule
from kafka_reader import stored
from oracle import uuid_of
from report import Done, Report
from sender import Sender
from stage import DEAD_LETTERS, Stage

from bridge.pipeline.assembly import load_builder
from bridge.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faults import Planned

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

_RECOVERY = 60.0
"""Seconds within which new events flow after the last fault: the longest pauses between probes are 30 s."""
_DRAIN = 180.0
_CALM = 5.0
"""Seconds without faults at the beginning and the end."""


async def _lane(stage: Stage, lane: Sequence[Planned], begun: float, until: float, done: list[Done]) -> None:
    """One lane's faults, one after the other; what no longer fits in is left out."""
    for planned in lane:
        await asyncio.sleep(begun + planned.at - time.monotonic())
        if (began := time.monotonic()) > until:
            return
        await KINDS[planned.kind].inject(stage, planned)
        ended = time.monotonic()
        again = await _something_new(stage, 20.0) if planned.lane != "broker" else None
        done.append(Done(planned.kind, planned.lane, round(began - begun, 2), round(ended - begun, 2), again))


async def _something_new(stage: Stage, within: float) -> float | None:
    """Seconds until AEP has a new event; None when other faults keep it from that for so long."""
    count, began = len(stage.emulator.state.fingerprints), time.monotonic()
    while (waited := time.monotonic() - began) < within:
        if len(stage.emulator.state.fingerprints) > count:
            return round(waited, 2)
        await asyncio.sleep(0.05)
    return None


async def _fresh_event_arrives(stage: Stage, sender: Sender) -> float:
    """Seconds until AEP has an event that was posted, and answered 200, after now."""
    first, began = sender.next, time.monotonic()
    while time.monotonic() - began < _RECOVERY:
        if any(uuid_of(n) in stage.emulator.state.fingerprints for n in range(first, sender.next)):
            return round(time.monotonic() - began, 2)
        await asyncio.sleep(0.1)
    raise AssertionError(f"no new event reached AEP within {_RECOVERY:g} s after the last fault")


async def _drained(stage: Stage) -> float:
    """Seconds until the group has committed everything there is."""
    began = time.monotonic()
    while stage.progress is None or stage.progress.lag or stage.progress_at < began:
        await asyncio.sleep(0.2)
        if time.monotonic() - began > _DRAIN:
            workers = "\n\n".join(role.process.tail(30) for role in stage.roles.values())
            raise AssertionError(f"after {_DRAIN:g} s without faults there is still lag: {stage.progress}\n{workers}")
    return round(time.monotonic() - began, 2)


async def test_nothing_is_lost_whatever_is_broken(kafka_cluster, tmp_path, chaos):
    """Faults of AEP, processes and brokers at random, mixed: lost 0, payloads equal, duplicates bounded, and it recovers."""
    report = Report(chaos.seed, chaos.seconds, chaos.rate, datetime.now(UTC).isoformat(timespec="seconds"))
    plan = schedule(chaos.seed, chaos.seconds, gaps=chaos.gaps)
    print(f"\nchaos: seed {chaos.seed}, {len(plan)} faults planned in {chaos.seconds:g} s (--chaos-seed={chaos.seed} repeats them)")
    rng = random.Random(chaos.seed)
    senders: list[Sender] = []
    done: list[Done] = []
    async with Stage(kafka_cluster, tmp_path, lambda: senders[0].deliverable if senders else 0) as stage:
        sender = Sender(stage.receiver_url, ("moengage", "a-password"), chaos.rate, rng, time.monotonic)
        senders.append(sender)
        posting = asyncio.create_task(sender.run())
        await asyncio.sleep(_CALM)
        begun = time.monotonic()
        async with asyncio.TaskGroup() as lanes:
            for name in ("aep", "process", "broker"):
                lane = [planned for planned in plan if planned.lane == name]
                lanes.create_task(_lane(stage, lane, begun, begun + chaos.seconds, done))
        report.recovery_seconds = await _fresh_event_arrives(stage, sender)
        await asyncio.sleep(_CALM)
        sender.stop()
        await posting
        report.drained_seconds = await _drained(stage)
        state = stage.emulator.state
        accepted = {key: (state.times(key), digest.hex()) for key, digest in state.fingerprints.items()}
        rows = await asyncio.to_thread(stored, kafka_cluster.bootstrap, DEAD_LETTERS)
        letters = [DeadLetter(row.value, {name: text.decode() for name, text in row.headers}) for row in rows]
        builder, _ = load_builder(Settings())
        findings = await asyncio.to_thread(judge, sender.promised, sender.next, accepted, letters, builder)
        report.faults = sorted(done, key=lambda each: each.began)
        report.sent, report.promised, report.given_up = sender.next, len(sender.promised), sender.given_up
        report.answers = dict(sender.answers)
        report.accepted, report.dead_letters = findings.accepted, findings.dead_letters
        report.lost, report.changed = len(findings.lost), len(findings.changed)
        report.invented, report.unexplained = len(findings.invented), len(findings.unexplained)
        report.duplicates = findings.duplicates
        report.duplicates_bound = sender.resent + sum(exposure.events for exposure in stage.exposures)
        report.longest_stall_seconds = stage.longest_stall
        report.restarts = sum(role.starts for role in stage.roles.values())
        report.aep_requests, report.token_requests = dict(state.requests), dict(state.token_requests)
        report.surprises = [f"{each.name} ({each.code})" for each in stage.surprises]
    report.write(chaos.report)
    print(report.table())
    print(f"report: {chaos.report}")
    assert findings.wrong == {}
    assert findings.duplicates <= report.duplicates_bound
    assert stage.surprises == [], "processes ended although nobody had ended them"
    # The run must have been one: faults of every lane struck, and most of what was posted was promised.
    assert {fault.lane for fault in done} == {"aep", "process", "broker"}
    assert {"207", "429", "503", "reset"} <= set(report.aep_requests)
    assert report.promised > chaos.rate * chaos.seconds / 3
    if chaos.complete:
        assert {fault.kind for fault in done} == set(KINDS)
