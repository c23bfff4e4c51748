"""What the commands that play others have in common: a first message of control, and an end by signal."""

from __future__ import annotations

import asyncio
from typing import Protocol

import typer


class Controlled(Protocol):
    """An emulator that takes messages of control."""

    def control_json(self, message: bytes) -> None:
        """Raises pydantic's ``ValidationError``."""


def first_control(made: Controlled, message: str) -> None:
    """Take the message of --control; a usage error where it is none."""
    from pydantic import ValidationError

    try:
        made.control_json(message.encode())
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise typer.BadParameter(
            f"{where}: {problem['msg']}" if where else problem["msg"], param_hint="--control"
        ) from None


def told_to_stop() -> asyncio.Event:
    """Set by SIGINT or SIGTERM, which are taken from now on and mean what they mean to every command."""
    from bridge.runtime.signals import StopSignals, install

    stop = asyncio.Event()
    install(StopSignals(lambda _name: stop.set(), stop.is_set))
    return stop
