"""What can happen to workers and to the receiver."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clocks import can_jump
from faults import fault
from stage import SESSION_SECONDS

if TYPE_CHECKING:
    from faults import Planned
    from stage import Stage


@fault("process", 0.5, 2, spares=False)
async def worker_kill9(stage: Stage, planned: Planned) -> None:
    """SIGKILL; the supervisor starts it again."""
    await stage.kill9(planned.rng.choice(stage.workers))
    await asyncio.sleep(planned.seconds)


@fault("process", 0.5, 2, spares=False)
async def worker_sigterm(stage: Stage, planned: Planned) -> None:
    """SIGTERM: it drains; the supervisor starts it again."""
    await stage.terminate(planned.rng.choice(stage.workers))
    await asyncio.sleep(planned.seconds)


@fault("process", 3, 6, spares=False)
async def worker_storm(stage: Stage, planned: Planned) -> None:
    """Any worker, every 0.1 to 1 s: killed, or told to stop and killed while it drains."""
    rng, loop = planned.rng, asyncio.get_running_loop()
    end = loop.time() + planned.seconds
    while loop.time() < end:
        name = rng.choice(stage.workers)
        if rng.random() < 0.3 and stage.roles[name].process.alive:
            stage.roles[name].doomed = True
            stage.roles[name].process.terminate()
            await asyncio.sleep(rng.uniform(0.1, 0.5))
        await stage.kill9(name)
        await asyncio.sleep(rng.uniform(0.1, 1.0))


@fault("process", 4, 8)
async def worker_joins_and_leaves(stage: Stage, planned: Planned) -> None:
    """One more worker for a while: two rebalances."""
    stage.add_worker("worker-extra")
    await asyncio.sleep(planned.seconds)
    stage.roles["worker-extra"].wanted = False
    await stage.terminate("worker-extra")


@fault("process", 1, 3)
async def worker_paused(stage: Stage, planned: Planned) -> None:
    """SIGSTOP, SIGCONT within the session."""
    await _paused(stage, planned.rng.choice(stage.workers), planned.seconds)


@fault("process", SESSION_SECONDS + 1, SESSION_SECONDS + 4)
async def worker_paused_beyond_its_session(stage: Stage, planned: Planned) -> None:
    """SIGSTOP until the group has given its partitions away; then it wakes with work in its hands."""
    await _paused(stage, planned.rng.choice(stage.workers), planned.seconds)


@fault("process", 0.5, 2, spares=False)
async def receiver_kill9(stage: Stage, planned: Planned) -> None:
    """SIGKILL in the middle of requests."""
    await stage.kill9("receiver")
    await asyncio.sleep(planned.seconds)


@fault("process", 0.5, 2, spares=False)
async def receiver_sigterm(stage: Stage, planned: Planned) -> None:
    """SIGTERM: it finishes its requests."""
    await stage.terminate("receiver", within=40)
    await asyncio.sleep(planned.seconds)


@fault("process", 2, 4, spares=False)
async def receiver_storm(stage: Stage, planned: Planned) -> None:
    """Killed every 0.1 to 1 s."""
    loop = asyncio.get_running_loop()
    rng, end = planned.rng, loop.time() + planned.seconds
    while loop.time() < end:
        await stage.kill9("receiver")
        await asyncio.sleep(rng.uniform(0.1, 1.0))


@fault("process", 1, 8)
async def receiver_paused(stage: Stage, planned: Planned) -> None:
    """SIGSTOP, SIGCONT."""
    await _paused(stage, "receiver", planned.seconds)


if can_jump():

    @fault("process", 3, 8)
    async def clock_jumps(stage: Stage, planned: Planned) -> None:
        """The wall clock of one process, or of all, is an hour or a day off, ahead or behind; then it is right again."""
        rng = planned.rng
        seconds, names = rng.choice((-86_400, -3_600, 3_600, 86_400)), sorted(stage.roles)
        clocks = [stage.roles[name].clock for name in (names if rng.random() < 0.5 else [rng.choice(names)])]
        for clock in clocks:
            clock.jump(seconds)
        try:
            await asyncio.sleep(planned.seconds)
        finally:
            for clock in clocks:
                clock.jump(0)


async def _paused(stage: Stage, name: str, seconds: float) -> None:
    process = stage.roles[name].process
    if not process.alive:
        return
    process.pause()
    try:
        await asyncio.sleep(seconds)
    finally:
        process.resume()
