"""Registers every command, and runs the command line."""

from __future__ import annotations

import errno
import importlib
import inspect
import os
import sys
from typing import TYPE_CHECKING

from rich.markup import escape

from bridge.cli.app import NAME, app, words
from bridge.cli.route_option import Command
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    import typer

__all__ = ["app", "main"]

_COMMANDS = (
    "demo",
    "dev",
    "receiver",
    "worker",
    "status",
    "check",
    "setup.plan",
    "setup.apply",
    "setup.verify",
    "setup.handover",
    "routes",
    "mapping.lint",
    "mapping.preview",
    "mapping.eval",
    "mapping.functions",
    "mapping.init",
    "mapping.sets",
    "mapping.plan",
    "mapping.drift",
    "mapping.verify",
    "deadletters",
    "failed_batches",
    "reconcile",
    "backfill",
    "topic_replay",
    "sync.plan",
    "sync.run",
    "sync.status",
    "emulator",
)
"""Modules of ``bridge.cli`` in the order of ``--help``; each registers its commands when it is imported."""


def main() -> None:
    """Run the command line; a :class:`BridgeError` becomes its message, its hint and exit 1."""
    # Closed by whoever started us (>&-): what is printed goes nowhere, which is what they asked for.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - lives as long as the process
    try:
        # By this name also as python -m bridge: usage and completion are those of a command that can be typed.
        try:
            app(prog_name=NAME)
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EPIPE}:
            raise
        # What is still to be written would fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:
            words.print(f"[bold red]error:[/] the output cannot be written: {escape(error.strerror or str(error))}")
        sys.exit(1)
    except BridgeError as error:
        # Unwrapped: a command to copy, or a name to search a log for, must stay in one piece.
        words.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        if error.hint:
            words.print(f"[dim]hint:[/] {escape(error.hint)}", soft_wrap=True)
        sys.exit(1)


def _finish(commands: typer.Typer) -> None:
    """Let the terminal break the lines of a help's paragraphs, as it breaks the first; what is indented stays as it is.

    And have every command say what it makes of ``--route``.
    """
    for command in commands.registered_commands:
        command.cls = Command
        if command.callback is None:
            continue
        paragraphs = inspect.getdoc(command.callback) or ""
        command.help = "\n\n".join(
            each if "\n " in each or each.startswith(" ") else each.replace("\n", " ")
            for each in paragraphs.split("\n\n")
        )
    for group in commands.registered_groups:
        if group.typer_instance is not None:
            _finish(group.typer_instance)


for _name in _COMMANDS:
    importlib.import_module(f"bridge.cli.{_name}")
_finish(app)
