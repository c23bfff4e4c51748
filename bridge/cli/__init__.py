"""The command line ``aep-bridge``: data on stdout, words on stderr; exit 0 fine, 1 the input or remote side is wrong, 2 usage.

A command imports what it needs when it runs, so that ``--help`` and completion are quick.
"""

from __future__ import annotations

import errno
import inspect
import os
import sys

import typer
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from bridge import __version__
from bridge.model.errors import BridgeError

_NAME = "aep-bridge"

app = typer.Typer(
    name=_NAME,
    help="MoEngage Streams to Adobe Experience Platform: nothing lost between, and a mapping you can see, test and change.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
words = Console(stderr=True, highlight=False)
"""Where words for a person go."""


def plain(text: str) -> Text:
    """Text that others wrote, for the terminal: no markup of ours, and no control characters of theirs."""
    return Text("".join(letter if letter.isprintable() else "\ufffd" for letter in text))


def _version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    _version_flag: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Options before the command."""


def main() -> None:
    """Run the command line; a :class:`BridgeError` becomes its message, its hint and exit 1."""
    # Closed by whoever started us (>&-): what is printed goes nowhere, which is what they asked for.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - lives as long as the process
    try:
        # By this name also as python -m bridge: usage and completion are those of a command that can be typed.
        try:
            app(prog_name=_NAME)
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


# A command registers itself on import; their order is that of --help.
from bridge.cli import (  # noqa: E402, I001
    demo as _demo,  # noqa: F401
    dev as _dev,  # noqa: F401
    receiver as _receiver,  # noqa: F401
    worker as _worker,  # noqa: F401
    status as _status,  # noqa: F401
    check as _check,  # noqa: F401
)
from bridge.cli.setup import commands as _setup  # noqa: E402, F401
from bridge.cli import (  # noqa: E402
    routes as _routes,  # noqa: F401
)
from bridge.cli.mapping import commands as _mapping  # noqa: E402, F401
from bridge.cli import (  # noqa: E402
    deadletters as _deadletters,  # noqa: F401
    backfill as _backfill,  # noqa: F401
    emulator as _emulator,  # noqa: F401
)


def _flow(commands: typer.Typer) -> None:
    """Let the terminal break the lines of a help's paragraphs, as it breaks the first; what is indented stays as it is."""
    for command in commands.registered_commands:
        paragraphs = inspect.getdoc(command.callback or _root) or ""
        command.help = "\n\n".join(
            each if "\n " in each or each.startswith(" ") else each.replace("\n", " ")
            for each in paragraphs.split("\n\n")
        )
    for group in commands.registered_groups:
        if group.typer_instance is not None:
            _flow(group.typer_instance)


_flow(app)
