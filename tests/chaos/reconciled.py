"""The question at the end of a run: whether ``aep-bridge reconcile`` has a place for every event of it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from checkout import ROOT
from json_output import json_of

from bridge.testing.commands import run_command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class RunSum:
    """What it says: ``left_over`` in words, empty where the sum holds; distinct events ``received``, and where ``received`` went."""

    left_over: list[str]
    received: int
    delivered: int
    dead: int
    open: int
    expired: int


def read_sum(body: Mapping[str, Any]) -> RunSum:
    """The answer of the command, of the days of a run."""
    days = body["days"]
    return RunSum(
        left_over=[f"{one['check']}: {one['what']}" for one in body["differences"]],
        received=sum(day["received"] for day in days),
        delivered=sum(day["delivered"] for day in days),
        dead=sum(sum(day["dead_letters"].values()) for day in days),
        open=sum(day["open"] for day in days),
        expired=sum(day["expired"] for day in days),
    )


def wrong_in(found: RunSum, *, promised: int, complete: bool) -> list[str]:
    """What must not be: something left over or open; with a ``complete`` topic also less than was ``promised``."""
    wrong = list(found.left_over)
    if found.open:
        wrong.append(f"{found.open} events are open, and the group has committed everything")
    if found.received != found.delivered + found.dead + found.open:
        wrong.append(f"{found} does not add up")
    if complete and found.received < promised:
        wrong.append(f"{promised} events were answered 200, and {found.received} were received")
    return wrong


async def ask_for_sum(environment: Mapping[str, str], directory: Path, since: str, *arguments: str) -> RunSum:
    """Run the command with the settings of the run's processes, for the days since ``since`` (ISO 8601)."""
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("BRIDGE_")}
    done = await asyncio.to_thread(
        run_command,
        *("reconcile", "--since", since, "--json", *arguments),
        env=inherited | {"PYTHONPATH": str(ROOT), **environment},
        cwd=directory,
        timeout=_PATIENCE,
    )
    # 1: something does not add up, which is named.
    return read_sum(json_of(done, exit_code=None))
