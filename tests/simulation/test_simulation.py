"""A minute of simulated workers in the tests, and that the simulator is what it says: exact, quick to bite, strict in its account."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bridge.kafka.consumer.client.stored_batch import read_batch
from simulation.account import Account, BrokenPromiseError, Event, Fate
from simulation.coverage import missing
from simulation.faults import FAULTS
from simulation.mutants import MUTANTS
from simulation.partition_log import PartitionLog, stored_batch
from simulation.trouble import planned
from simulation.virtual_loop import HotLoopError, SimulatedLoop, SimulatedProcess
from simulation.world import World

TESTS = Path(__file__).parents[1]
SEEDS = 24
P = ("events", 0)


def simulate(*arguments, module="simulation"):
    """A run in a process of its own, where the order of sets is the seed's."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": f"{TESTS}:{TESTS / 'support'}:{TESTS.parent}"},
        cwd=TESTS.parent,
        check=False,
        capture_output=True,
        text=True,
    )


def test_the_makefile_finds_the_simulator():
    """`make simulate` starts it with a path on which everything that it imports lies."""
    makefile = (TESTS.parent / "Makefile").read_text()
    (line,) = (line for line in makefile.splitlines() if "-m simulation " in line)
    path = line.partition("PYTHONPATH=")[2].split()[0]
    command = [sys.executable, "-m", "simulation", "--help"]
    run = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, cwd=TESTS.parent, check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_a_minute_of_seeds_finds_nothing():
    """Whole workers under every fault: nothing lost, nothing acknowledged too early, no standstill, no silence.

    The seeds are numbered and not timed (they take about a minute of one free core): a slow machine plays the same ones, so
    what is found or never met here is so everywhere.
    """
    run = simulate("--seeds", str(SEEDS), "--first", "1")
    assert run.returncode == 0, run.stdout[-6_000:] + run.stderr[-2_000:]
    assert "no finding" in run.stdout


@pytest.mark.slow
def test_a_seed_replays_exactly():
    """Two processes play a seed in the same steps, to the last line of the trace."""
    first, second = (simulate("--seed", "3", "--trace", "2000") for _ in range(2))
    assert first.returncode == 0, first.stdout[-3_000:] + first.stderr[-2_000:]
    assert first.stdout.count("\n") > 500
    assert first.stdout == second.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "an offset too far is committable",
        "a finished chunk passes an open one",
        "dead letters count before they are stored",
        "throttled requests count as delivered",
    ],
)
def test_it_bites(name):
    """A worker with one of its safeties taken away is found within seconds."""
    number = next(number for number, mutant in enumerate(MUTANTS) if mutant.name == name)
    run = simulate(str(number), "--seconds", "40", module="simulation.mutants")
    assert run.returncode == 0, run.stdout + run.stderr
    assert " s\t" in run.stdout
    signs = ("is not finished", "is not in the state", "beyond the end", "of the same key", "internal error")
    assert any(sign in run.stdout for sign in signs)


def test_every_mutant_still_names_a_line():
    """The lines that the mutants change are in the product, so that none passes for found or for harmless unseen."""
    for mutant in MUTANTS:
        text = (TESTS.parent / (mutant.module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
        assert mutant.old in text, mutant.name
        assert mutant.new != mutant.old, mutant.name


def _account(*fates):
    account = Account([P])
    for offset, fate in enumerate(fates):
        account.written(P, offset, [Event(f"e{offset}", fate, P, offset)])
    return account


def test_no_offset_passes_what_is_not_finished():
    """An offset may be committed up to the first event that is neither accepted nor a stored letter."""
    account = _account(Fate.DELIVERED, Fate.REFUSED, Fate.DELIVERED)
    account.accepted("e0", 0.0)
    account.accepted("e2", 0.0)
    account.may_pass(P, 1, "test")
    with pytest.raises(BrokenPromiseError, match="e1"):
        account.may_pass(P, 2, "test")
    account.letter(P, 1, None, "aep_400")
    account.may_pass(P, 3, "test")
    assert account.open == 0


def test_only_what_must_be_refused_becomes_a_letter():
    """A good event in the dead-letter topic is a finding, and so is a refused one that was delivered, and one nobody wrote."""
    account = _account(Fate.DELIVERED, Fate.REFUSED)
    with pytest.raises(BrokenPromiseError, match="dead letter"):
        account.letter(P, 0, "e0", "aep_400")
    with pytest.raises(BrokenPromiseError, match="refused"):
        account.accepted("e1", 0.0)
    with pytest.raises(BrokenPromiseError, match="nobody"):
        account.accepted("e9", 0.0)


def test_what_retention_takes_must_be_told():
    """Unfinished events that retention deletes are expected nowhere, and named until a worker tells of their offsets."""
    account = _account(Fate.DELIVERED, Fate.DELIVERED)
    account.accepted("e0", 0.0)
    assert account.retained(P, 2) == 1
    assert [event.name for event in account.untold()] == ["e1"]
    account.told_expired(P, 1, 1)
    assert account.untold() == []


def test_open_transactions_are_not_read_and_aborted_ones_never():
    """A reader of committed transactions stops before the first open one."""
    log = PartitionLog(P)
    log.append(b"k", b"1", 0)
    log.append(b"k", b"2", 0, transaction="t")
    log.append(b"k", b"3", 0)
    assert [entry.offset for entry in log.read(0, 10)] == [0]
    log.finish("t", 0, commit=False)
    assert log.stable == log.end == 4
    assert [entry.kind.name for entry in log.read(0, 10)] == ["RECORD", "ABORTED", "RECORD", "MARKER"]


def test_damaged_places_are_stored_as_kafka_stores_them():
    """What the worker looks into are real batches: one sound, one with a header's name that is no text, one whose checksum is off."""
    log = PartitionLog(P)
    entries = [log.append(b"k", b"v%d" % n, 5) for n in range(4)]
    assert [record.value for record in read_batch(stored_batch(entries), 0).records] == [b"v0", b"v1", b"v2", b"v3"]
    entries[1].unparsable = True
    assert "UTF-8" in read_batch(log.raw(1), 1).records[0].unreadable
    log.damaged = {2, 3}
    found = read_batch(log.raw(3), 3)
    assert (found.records[0].offset, found.records[0].last, found.end) == (3, 3, 4)
    assert log.shown_damaged == {1, 2, 3}


def _loop(disorder=0.0):
    from random import Random

    return SimulatedLoop(Random(1), disorder, lambda _process: None)


def test_a_killed_process_runs_no_step_more_and_a_stopped_one_goes_on():
    """Nothing of a killed process has an effect, not even its finally; a stopped one catches up with all that was due."""
    import asyncio

    loop, seen = _loop(), []

    async def work(name):
        try:
            for step in range(10):
                await asyncio.sleep(1.0)
                seen.append((name, step))
        finally:
            seen.append((name, "end"))

    async def main():
        killed, stopped = (SimulatedProcess(loop, name) for name in ("killed", "stopped"))
        killed.spawn(work("killed"))
        stopped.spawn(work("stopped"))
        await asyncio.sleep(2.5)
        killed.kill()
        stopped.pause()
        await asyncio.sleep(3.0)
        assert seen == [("killed", 0), ("stopped", 0), ("killed", 1), ("stopped", 1)]
        stopped.resume()
        await asyncio.sleep(0.1)
        assert seen[-1] == ("stopped", 2)
        seen.clear()

    loop.run_until_complete(main())
    loop.shut_down()


def test_a_loop_without_time_is_found():
    """What goes round and round without waiting for anything would stop the world, and is named instead."""
    import asyncio

    async def main():
        while True:  # noqa: ASYNC110 - this is what is looked for
            await asyncio.sleep(0)

    loop = _loop()
    with pytest.raises(HotLoopError):
        loop.run_until_complete(main())
    loop.shut_down()


def test_a_long_run_must_have_met_everything():
    """A run of a dozen seeds that never met a kind of fault or a rare interleaving says so; a short one owes nothing."""
    assert missing(Counter(), 11) == []
    lacking = missing(Counter(), SEEDS)
    assert {"fault: kill -9", "told: throttled"} <= set(lacking)
    assert missing(Counter(lacking), SEEDS) == []


@pytest.mark.parametrize("first", [1, 3, 1 << 39])
def test_five_seeds_in_a_row_are_dealt_every_kind_of_fault(first):
    """What is planned and what the worlds are depends on the seed's number alone, whichever seed a run begins with."""
    worlds = [World(seed) for seed in range(first, first + 5)]
    assert {fault.name for world in worlds for fault in planned(world)} == {fault.name for fault in FAULTS}
    assert {world.remembers for world in worlds} == {world.by_key for world in worlds} == {True, False}
    assert {world.settings.worker.unreadable for world in worlds} == {"hold", "set_aside"}
    assert {world.settings.worker.max_in_flight_events for world in worlds} == {100, 300, 12_000}
    again = World(first + 4)
    assert [fault.name for fault in planned(again)] == [fault.name for fault in planned(worlds[-1])]
    for world in (*worlds, again):
        world.close()
