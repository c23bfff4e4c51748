"""A worker's end: nothing more is admitted, what is under way is finished and committed, and the group is left, within one budget."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import structlog

from bridge.model.errors import KafkaError
from bridge.runtime.deadline import LEAVE_SECONDS
from bridge.runtime.signals import cut_off_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.kafka.consumer.gate import Gate
    from bridge.worker.drain import Drain

_log = structlog.get_logger(__name__)
_LEAST_COMMIT_SECONDS = 1.0
"""A commit has this long, whatever the drain has left of its budget."""


async def stop_worker(
    app: Any, gate: Gate, drain: Drain, why: str, *, cut_off_after: Callable[[float], None] = cut_off_after
) -> int:
    """End the worker and leave the group; 0 when all that was begun is finished and committed, else 1.

    ``why`` is the failure that ends the worker: after one nothing more is waited for. Empty when it was told to stop.
    ``cut_off_after`` ends the process after a number of seconds if something in it hangs.
    """
    deadline = drain.budget.deadline(drain.clock)
    cut_off_after(drain.budget.cut_off)
    gate.shut()
    if not why:
        await drain.for_stop(deadline)
    drain.stopping = True
    left = {f"{topic}[{number}]": count for (topic, number), count in drain.ledger.left().items()}
    with contextlib.suppress(KafkaError, TimeoutError):
        async with deadline.timeout(least=_LEAST_COMMIT_SECONDS):
            await app.consumer.commit()
    uncommitted = bool(drain.ledger.committable())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_SECONDS):
            await app.stop()
    if why or left or uncommitted:
        _log.error(
            "stopped_with_work_left",
            detail="Stopped with unfinished events; they will be redelivered after the restart.",
            why=why or (why_unfinished(drain) if left else "the offsets could not be committed"),
            events_left=left,
            uncommitted=uncommitted,
        )
        return 1
    _log.info("stopped", detail="Everything under way is finished and committed.")
    return 0


def why_unfinished(drain: Drain) -> str:
    """Why a drain left work, in words for the operator."""
    if not drain.letters.writable:
        return "the dead-letter topic cannot be written"
    # Whoever looks for what hangs must not be sent to the budget when nothing would have come of waiting.
    flow_control = drain.delivery.flow_control
    if flow_control.refusal or flow_control.trouble:
        return flow_control.refusal or flow_control.trouble
    return "the destination postpones the rest" if drain.delivery.only_postponed else "the drain budget is used up"
