"""The watchdog: what does not move is told by its name and ends the worker, what may wait does not; and stacks that show where tasks are."""

import asyncio
from dataclasses import replace

from bridge.worker.watch.watchdog import Stall, Vitals, Watchdog, stacks

_AT_WORK = Vitals(
    lag=True,
    resolved=3,
    committed=(7,),
    committable=False,
    joined=True,
    connected=True,
    held=False,
    answers=0,
    silent=0.0,
    lost="",
)
"""Of a worker that has something to do and finishes nothing."""


def test_a_stall_is_no_progress_while_busy():
    """Progress, idleness or a good reason not to work start the time anew; 0 turns it off."""
    stall = Stall(10)
    assert not stall.check(0, 1, busy=True)
    assert not stall.check(9, 1, busy=True)
    assert stall.check(10, 1, busy=True)
    assert not stall.check(11, 2, busy=True)
    assert not stall.check(30, 2, busy=False)
    assert not stall.check(31, 2, busy=True)
    assert stall.check(41, 2, busy=True)
    never = Stall(0)
    assert not never.check(0, 1, busy=True)
    assert not never.check(1e9, 1, busy=True)


def test_the_watchdog_tells_what_does_not_move():
    """Each reason by its own name; nothing while it is held, has nothing to do, or waits for the brokers."""
    stuck = replace(_AT_WORK, committable=True)
    fine = {
        "idle": replace(stuck, lag=False),
        "held, and commits go through": replace(stuck, held=True, committable=False),
        "no brokers": replace(stuck, lag=False, joined=False, connected=False),
    }
    for name, vitals in fine.items():
        watchdog = Watchdog(10)
        assert [watchdog.check(now, vitals) for now in (0, 60)] == [[], []], name
    wrong = {
        "no event finished for 10 s": replace(stuck, committable=False),
        "no commit succeeded for 10 s": replace(stuck, held=True),
        "not joined for 10 s": replace(stuck, lag=False, joined=False),
    }
    for why, vitals in wrong.items():
        watchdog = Watchdog(10)
        assert [watchdog.check(now, vitals) for now in (0, 9, 10)] == [[], [], [why]]


def test_answers_however_bad_are_no_stall():
    """A destination that answers each request with a failure is told by delivery: the next worker would meet the same."""
    watchdog = Watchdog(10)
    vitals = _AT_WORK
    for now in range(0, 60, 5):
        assert watchdog.check(now, replace(vitals, answers=now)) == []
    assert watchdog.check(64, replace(vitals, answers=55)) == []
    assert watchdog.check(65, replace(vitals, answers=55)) == ["no event finished for 10 s"]


def test_brokers_that_have_fallen_silent_end_a_worker_that_was_a_member():
    """A restart reads certificates and addresses anew; before the first assignment there is nothing to give up, and 0 is never."""
    fine = replace(_AT_WORK, lag=False, connected=False, held=True)
    never_joined = replace(fine, joined=False)
    assert Watchdog(10).check(0, replace(never_joined, silent=60.0)) == []
    assert Watchdog(0).check(0, replace(fine, silent=1e9)) == []
    watchdog = Watchdog(10)
    assert watchdog.check(0, fine) == []
    assert watchdog.check(1, replace(never_joined, silent=9.9)) == []
    assert watchdog.check(2, replace(never_joined, silent=10.0)) == ["no answer of the brokers for 10 s"]


def test_a_lost_event_ends_the_worker_at_once():
    """The time has passed when it is told; while delivery is held too."""
    vitals = replace(_AT_WORK, held=True)
    assert Watchdog(10).check(0, replace(vitals, lost="nobody holds t[0]")) == ["nobody holds t[0]"]


async def test_stacks_name_tasks_and_lines_without_values():
    """The dump shows where a task waits."""

    async def stuck(secret):
        await asyncio.sleep(10)
        return secret

    task = asyncio.create_task(stuck("payload-7"), name="stuck-one")
    await asyncio.sleep(0)
    found = dict(stacks())
    task.cancel()
    assert "stuck" in found["task stuck-one"]
    assert "payload-7" not in str(found)


async def test_stacks_show_where_a_task_really_waits():
    """Through coroutines, asynchronous generators and ``__await__`` down to the innermost frame, which comes first."""

    class Awaitable:
        def __await__(self):
            return innermost("payload-8").__await__()

    async def innermost(secret):
        await asyncio.get_running_loop().create_future()
        return secret

    async def generator():
        await Awaitable()
        yield 1

    async def outermost():
        async for _ in generator():
            pass

    async def deep(levels):
        await (deep(levels - 1) if levels else innermost("payload-9"))

    async def began():
        await deep(49)

    tasks = [asyncio.create_task(outermost(), name="chain"), asyncio.create_task(began(), name="deep")]
    await asyncio.sleep(0)
    found = dict(stacks())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    names = [line.split()[-1] for line in found["task chain"].split(" < ")]
    assert names == ["innermost", "generator", "outermost"]
    line = innermost.__code__.co_firstlineno + 1
    assert found["task chain"].startswith(f"test_watchdog.py:{line} innermost")
    assert found["task deep"].startswith(f"test_watchdog.py:{line} innermost")
    told = [part.split()[-1] for part in found["task deep"].split(" < ")]
    assert told == ["innermost", *["deep"] * 7, "more)", *["deep"] * 5, "began"]
    assert "(38 more)" in found["task deep"]
    assert "payload-" not in str(found)


async def test_stacks_of_the_one_that_asks_and_of_one_that_has_not_run():
    """The task that asks is running, and one that has just begun has not awaited yet: both have a line all the same."""

    async def fresh():
        await asyncio.sleep(1)

    task = asyncio.create_task(fresh(), name="fresh")
    found = dict(stacks())
    task.cancel()
    me = asyncio.current_task()
    assert "test_stacks_of_the_one" in found[f"task {me.get_name()}"]
    assert "fresh" in found["task fresh"]
