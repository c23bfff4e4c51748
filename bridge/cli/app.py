"""The application that every command registers with; it imports none of them."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.text import Text

from bridge import __version__

NAME = "aep-bridge"

app = typer.Typer(
    name=NAME,
    help="Between MoEngage and Adobe Experience Platform, both ways: nothing lost, and a mapping you can see, test and change.",
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
