"""What became of a request, whatever became of the task that sent it, and the word for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.verdicts import Answered, Misconfigured, Mismatched, Outcome, Throttled, Transient, Unauthorized

if TYPE_CHECKING:
    import asyncio


def outcome_of(task: asyncio.Task[Outcome], sent: int) -> Outcome:
    """The outcome for ``sent`` events, also where the destination broke its word and raised, or somebody cancelled it."""
    if task.cancelled():
        return Transient("cancelled")
    if (error := task.exception()) is not None:
        return Transient(f"unexpected_{type(error).__name__}")
    outcome = task.result()
    if isinstance(outcome, Answered) and len(outcome.verdicts) != sent:
        return Mismatched(f"{sent} events were sent, {len(outcome.verdicts)} verdicts came back")
    return outcome


def word_of(outcome: Outcome) -> str:
    """What the destination said that keeps events from being accepted, "" when it judged them."""
    match outcome:
        case Throttled(status):
            return f"the destination answered {status}"
        case Transient(reason) | Mismatched(reason) | Unauthorized(reason) | Misconfigured(reason):
            return reason
        case _:
            return ""
