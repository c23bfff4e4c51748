"""The end of a worker's run: asked for, or an error of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Coroutine

_log = structlog.get_logger(__name__)


class RunEnd:
    """``event`` is set when the end begins; ``why`` is the failure that ends the run, empty when a stop was asked for."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.why = ""

    @property
    def begun(self) -> bool:
        """Whether the run is about to end."""
        return self.event.is_set()

    def stop(self, why: str = "") -> None:
        """End the run; a reason makes it a failure. Only the first call counts."""
        if not self.begun:
            self.why = why
            self.event.set()

    def broke(self, error: BaseException) -> None:
        """End the run over an error of its own."""
        _log.error(
            "internal_error",
            detail="The worker stops without committing what is under way.",
            error=type(error).__name__,
            exc_info=error,
        )
        self.stop(f"internal error: {type(error).__name__}")

    def begin(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Begin a task that the worker cannot do without: an error in it ends the run, or nobody would notice."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None and not self.begun:
                self.broke(error)

        task = asyncio.create_task(work, name=name)
        task.add_done_callback(ended)
        return task
