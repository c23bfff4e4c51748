"""Command lines in files and documents, held against the commands that exist."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALWAYS = {"--help", "-h"}


@cache
def _whole_command() -> Any:
    """``aep-bridge`` with all below it; to make it of the functions takes longer than to look into it hundreds of times."""
    return typer.main.get_command(app)


def problems_of_command(arguments: Sequence[str], *, whole: bool = True) -> list[str]:
    """What is wrong with ``aep-bridge ARGUMENTS``: no such command or option, too few or too many arguments.

    Nothing is run, no value is converted, and files need not exist. A line that is not ``whole`` names a command in passing
    and may leave arguments out.
    """
    command = _whole_command()
    rest = list(arguments)
    while hasattr(command, "commands"):
        if not rest or rest[0] in {*_ALWAYS, "--version"}:
            return []
        if rest[0] not in command.commands:
            return [f"no such command: {' '.join(arguments[: len(arguments) - len(rest) + 1])}"]
        command, rest = command.commands[rest[0]], rest[1:]
    return _problems_of_arguments(command, rest, whole=whole)


def _problems_of_arguments(command: Any, rest: list[str], *, whole: bool) -> list[str]:
    options = {
        name: parameter
        for parameter in command.params
        if parameter.param_type_name == "option"
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    positional = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    problems: list[str] = []
    given = 0
    values = iter(rest)
    for word in values:
        if not word.startswith("-") or word == "-":
            given += 1
            continue
        name, _, joined = word.partition("=")
        if name in _ALWAYS:
            return []
        if name not in options:
            problems.append(f"{command.name}: no such option {name}")
        elif not joined and not options[name].is_flag and next(values, None) is None:
            problems.append(f"{command.name}: {name} wants a value")
    fewest = sum(parameter.required for parameter in positional) if whole else 0
    most = float("inf") if any(parameter.nargs == -1 for parameter in positional) else len(positional)
    if not fewest <= given <= most:
        problems.append(f"{command.name}: takes {fewest} to {most} arguments, not {given}")
    return problems
