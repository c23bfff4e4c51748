"""What happens to the way back while customers' messages arrive; each fault ends by itself, and leaves everything running."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from return_stage import ADOBE, MPARTICLE, SESSION_SECONDS

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Awaitable, Callable

    from return_stage import ReturnStage


async def worker_kill9(stage: ReturnStage, rng: random.Random) -> None:
    """SIGKILL of the worker that keeps the customers' audiences, in the middle of its work; it is started again at once."""
    await asyncio.sleep(rng.uniform(0.2, 1.0))
    await _killed(stage, ADOBE)


async def other_worker_kill9(stage: ReturnStage, rng: random.Random) -> None:
    """SIGKILL of mParticle's worker."""
    await asyncio.sleep(rng.uniform(0.2, 1.0))
    await _killed(stage, MPARTICLE)


async def worker_joins_and_leaves(stage: ReturnStage, rng: random.Random) -> None:
    """A second worker for some seconds: partitions, and the audiences of their customers, move there and back."""
    await stage.add("extra")
    await asyncio.sleep(rng.uniform(1.0, 3.0))
    await stage.leave("extra")


async def second_worker_killed(stage: ReturnStage, rng: random.Random) -> None:
    """A second worker joins and is killed: the first takes over what it has left half done, once its session has ended."""
    await stage.add("doomed")
    await asyncio.sleep(rng.uniform(0.5, 2.0))
    stage.workers.pop("doomed").kill9()
    await asyncio.sleep(SESSION_SECONDS)


async def worker_paused_beyond_its_session(stage: ReturnStage, rng: random.Random) -> None:
    """A second worker takes the partitions over; then the first wakes with work in its hands."""
    await stage.add("heir")
    stage.workers[ADOBE].pause()
    await asyncio.sleep(SESSION_SECONDS + rng.uniform(1.0, 3.0))
    stage.workers[ADOBE].resume()
    await stage.ready(stage.workers[ADOBE])
    await stage.leave("heir")


async def storm_of_429(stage: ReturnStage, rng: random.Random) -> None:
    """Most requests are refused for the rate, whatever the budget says."""
    async with _until_it_strikes(stage, "429"):
        stage.emulator.control(fail={"status": 429, "retry_after": 0.5, "probability": 0.8})
        await asyncio.sleep(rng.uniform(2.0, 4.0))
    stage.emulator.control(fail=None)


async def away(stage: ReturnStage, rng: random.Random) -> None:
    """MoEngage answers 503."""
    async with _until_it_strikes(stage, "503"):
        stage.emulator.control(fail={"status": 503})
        await asyncio.sleep(rng.uniform(2.0, 4.0))
    stage.emulator.control(fail=None)


async def key_rotated(stage: ReturnStage, rng: random.Random) -> None:
    """The key is refused at once, and the new one is written into its file some time later."""
    key = f"rotated-{rng.randrange(10**9)}"
    async with _until_it_strikes(stage, "401"):
        stage.rotate_key(key)
        await asyncio.sleep(rng.uniform(1.0, 3.0))
    stage.key_file.write_text(key, encoding="utf-8")


async def reset_after_processing(stage: ReturnStage, rng: random.Random) -> None:
    """Requests are processed, and the connection is reset instead of an answer."""
    async with _until_it_strikes(stage, "reset"):
        stage.emulator.control(reset={"when": "after", "probability": 0.5})
        await asyncio.sleep(rng.uniform(2.0, 4.0))
    stage.emulator.control(reset=None)


async def broker_restart(stage: ReturnStage, rng: random.Random) -> None:
    """The broker is killed, or stopped, and comes back on the same data."""
    await asyncio.to_thread(stage.broker.restart, kill=rng.random() < 0.5, within=120)


async def receiver_kill9(stage: ReturnStage, rng: random.Random) -> None:
    """SIGKILL in the middle of requests."""
    await asyncio.sleep(rng.uniform(0.2, 1.0))
    stage.receiver.kill9()
    await stage.ready(stage.receiver.start())


FAULTS: dict[str, Callable[[ReturnStage, random.Random], Awaitable[None]]] = {
    each.__name__: each
    for each in (
        worker_kill9,
        worker_joins_and_leaves,
        storm_of_429,
        key_rotated,
        reset_after_processing,
        broker_restart,
        other_worker_kill9,
        receiver_kill9,
        away,
        second_worker_killed,
        worker_paused_beyond_its_session,
    )
}
BRIEF = ("worker_kill9", "storm_of_429", "key_rotated", "reset_after_processing", "worker_joins_and_leaves")
"""Those that the run of every change has; the broker's restart comes with them, and ends it."""
_STRIKES_WITHIN = 30.0
"""As the workers may be waiting to ask again after the fault before."""


@asynccontextmanager
async def _until_it_strikes(stage: ReturnStage, answer: str) -> AsyncIterator[None]:
    """What is broken inside stays broken until a request has had this answer of the emulator: a fault that met nobody shows nothing."""
    requests = stage.emulator.api.requests
    before = requests[answer]
    yield
    deadline = time.monotonic() + _STRIKES_WITHIN
    while requests[answer] == before:
        assert time.monotonic() < deadline, f"no request was answered {answer} within {_STRIKES_WITHIN:g} s"
        await asyncio.sleep(0.05)


async def _killed(stage: ReturnStage, name: str) -> None:
    worker = stage.workers[name]
    worker.kill9()
    await stage.ready(worker.start())
