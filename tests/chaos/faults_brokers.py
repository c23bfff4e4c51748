"""What can happen to one broker of three."""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING

from faults import fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from faults import Planned
    from stage import Stage

    from bridge.testing.kafka.broker import Broker


@fault("broker", 1, 4)
async def broker_restarted(stage: Stage, planned: Planned) -> None:
    """SIGTERM: a controlled shutdown of one of three."""
    broker = planned.rng.choice(stage.cluster.brokers)
    await _broken(stage, planned, broker, lambda: asyncio.to_thread(broker.stop))


@fault("broker", 1, 4)
async def broker_kill9(stage: Stage, planned: Planned) -> None:
    """SIGKILL of one of three."""
    broker = planned.rng.choice(stage.cluster.brokers)
    await _broken(stage, planned, broker, lambda: asyncio.to_thread(broker.kill9))


@fault("broker", 4, 8)
async def broker_disk_full(stage: Stage, planned: Planned) -> None:
    """No file of one broker may grow: its writes fail as on a full disk, and it shuts down; then it is started again."""
    broker = planned.rng.choice(stage.cluster.brokers)

    async def fill() -> None:
        resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    await _broken(stage, planned, broker, fill)


@fault("broker", 1, 6)
async def broker_paused(stage: Stage, planned: Planned) -> None:
    """SIGSTOP: connections stay open and nothing is answered."""
    broker = planned.rng.choice(stage.cluster.brokers)
    stage.allowance.confirmations_are_cut("broker_paused")
    broker.pause()
    try:
        await asyncio.sleep(planned.seconds)
    finally:
        broker.resume()
        await stage.brokers_recovered("broker_paused")


async def _broken(stage: Stage, planned: Planned, broker: Broker, break_it: Callable[[], Awaitable[None]]) -> None:
    stage.allowance.confirmations_are_cut(planned.kind)
    try:
        await break_it()
        await asyncio.sleep(planned.seconds)
    finally:
        await asyncio.to_thread(broker.kill9)
        await asyncio.to_thread(broker.start)
        await stage.brokers_recovered(planned.kind)
