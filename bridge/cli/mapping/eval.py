"""``aep-bridge mapping eval``: one expression over an event, or a prompt that takes one after the other."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.mapping.commands import mapping
from bridge.cli.route_option import MAPPED_ROUTE
from bridge.cli.terminal import say
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP = """\
an expression        its value over the event; a line that ends in \\ goes on in the next
?NAME                what a function does, with an example; ? alone lists all
.event               the event, .event PATH a part of it
.paths               every path of the event
help, exit, quit     this, and the end (also Ctrl-D)"""


@mapping.command(name="eval", context_settings={"ignore_unknown_options": True})
def evaluate(
    expression: str | None = typer.Argument(None, metavar="[EXPR]", help="An expression; without one, a prompt."),
    event: str | None = typer.Option(None, "--event", "-e", help="The event it reads; without one, {}."),
    dead_letter: str | None = typer.Option(
        None,
        "--dead-letter",
        metavar="PARTITION/OFFSET",
        help="The event in this dead letter, as deadletters list names it.",
    ),
    as_is: bool = typer.Option(False, "--as-is", help="Accept any JSON object as it is: no envelope, nothing added."),
    _route: str | None = MAPPED_ROUTE,
) -> None:
    """Evaluate one expression: a JSON value, null when null, dates as ISO 8601. Several events give a line each.

    Without an expression it asks for one after the other; help says what else can be typed there.

    Examples:
        aep-bridge mapping eval 'upper(event_name)' --event event.json

        aep-bridge mapping eval 'a.b + 1' --as-is --event '{"a": {"b": 1}}'

        aep-bridge mapping eval --event event.json
    """
    from bridge.cli.mapping import inputs as source

    given = source.some_events(event, as_is=as_is) if event is not None else []
    if dead_letter is not None:
        given += source.dead_letter_event(dead_letter)
    # An object that is no event of MoEngage's is good enough to try an expression on; a number is not.
    nothing = [
        (number, one.refusal.reason) for number, one in enumerate(given, start=1) if one.refusal and not one.event
    ]
    if nothing:
        raise BridgeError("\n".join(f"event {number}: {reason}" for number, reason in nothing))
    read = [one.event for one in given] or [{}]
    if expression is None:
        _Prompt(read).run()
        return
    known = _Known(read)
    for one in read:
        _print_value(expression, one)
    known.tell(expression)


def _print_value(expression: str, event: dict[str, Any]) -> None:
    from bridge.cli.mapping import show
    from bridge.mapping.compiler.expressions.evaluation import compile_expression
    from bridge.mapping.lint.value_fixes import date_hint

    compiled = compile_expression(expression)
    evaluated = compiled.evaluate(event)
    show.data(evaluated.value, indent=None)
    if evaluated.reason is not None:
        hint = date_hint(evaluated.reason, compiled.node, event)
        say(f"null: {evaluated.reason}" + (f"; {hint}" if hint else ""))


class _Known:
    """The paths of the events, to tell a slip in a name from a value that is not there."""

    def __init__(self, events: Sequence[dict[str, Any]]) -> None:
        from bridge.mapping.workshop.samples import Samples

        self.samples = Samples(events)

    def tell(self, expression: str) -> None:
        """Say which paths of the expression no event has; nothing where there is no event at all."""
        from bridge.mapping.compiler.expressions.evaluation import compile_expression
        from bridge.mapping.compiler.row_sources import unknown_paths

        if not self.samples.paths:
            return
        for path, near in unknown_paths(compile_expression(expression).node, self.samples):
            say(f"the event has no {path}" + (f" ({near}?)" if near else ""))


class _Prompt:
    """Reads expressions until the end of input; in a terminal with editing and completion."""

    def __init__(self, events: Sequence[dict[str, Any]]) -> None:
        self._events = events
        self._known = _Known(events)
        self._interactive = sys.stdin.isatty()

    def run(self) -> None:
        """Answer line by line."""
        if self._interactive:
            self._complete()
            say("Expressions over the event; help says what else can be typed, an empty line or Ctrl-D ends.")
        while True:
            try:
                line = self._line()
            except (EOFError, KeyboardInterrupt):
                return
            if line in ("exit", "quit", "exit()", "quit()") or (not line and self._interactive):
                return
            try:
                self._answer(line)
            except BridgeError as error:
                say(f"{error}; {error.hint}" if error.hint else str(error))

    def _line(self) -> str:
        line = input("> " if self._interactive else "").rstrip()
        while line.endswith("\\"):
            line = line[:-1] + input("… " if self._interactive else "").rstrip()
        return line.strip()

    def _answer(self, line: str) -> None:
        from bridge.cli.mapping import show
        from bridge.cli.mapping.functions import describe, list_names

        if not line:
            return
        if line == "help":
            say(_HELP)
        elif line.startswith("?"):
            name = line[1:].strip()
            describe(name) if name else list_names()
        elif line == ".paths":
            print("\n".join(sorted(self._known.samples.paths)))
        elif line == ".event":
            for event in self._events:
                show.data(event)
        else:
            expression = line.removeprefix(".event ").strip()
            for event in self._events:
                _print_value(expression, event)
            self._known.tell(expression)

    def _complete(self) -> None:
        try:
            import readline
        except ImportError:  # a Python built without it edits lines all the same, only poorer
            return
        from bridge.mapping.functions.catalogue import FUNCTIONS

        names = sorted(
            [*(f"{name}(" for name in FUNCTIONS), *self._known.samples.paths, ".event", ".paths", "help", "exit"]
        )
        found: list[str] = []

        def complete(text: str, state: int) -> str | None:
            if state == 0:
                found[:] = [name for name in names if name.startswith(text)]
            return found[state] if state < len(found) else None

        readline.set_completer_delims(" \t\n,+-*/%=<>!&|?:()[]{}\"'")
        readline.set_completer(complete)
        readline.parse_and_bind("tab: complete")
