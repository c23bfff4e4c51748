"""The reference of functions and methods as Markdown, from the registry: ``docs/functions.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.mapping.functions.catalogue import FUNCTIONS, METHODS
from bridge.mapping.workshop.function_examples import examples_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.mapping.functions.registry import Function, Parameter

HEAD = """\
# Functions of the mapping language

Generated from the registry of the code; `aep-bridge mapping functions NAME` shows one of them. Parameters in brackets may be
left out, `...` may be repeated; the examples were executed, `mapping functions NAME` also shows the event they read. What differs from Adobe's page, and why, is in [decisions/functions.md](decisions/functions.md),
date patterns in [decisions/dates.md](decisions/dates.md). A function fails by giving null with a warning that names the row.
"""

METHODS_HEAD = """
## Java methods

Written on a value, `name.toLowerCase()`; of null a method gives null. Functions that may be written so, too: {functions}.

| method | gives | what it does | example |
|---|---|---|---|
"""


def signature(function: Function, *, method: bool = False) -> str:
    """``name(INPUT, [OPTIONAL], MORE...)``; of a method without the value before the dot."""
    parameters = function.parameters[1:] if method else function.parameters
    return f"{function.name}({', '.join(_shown(parameter) for parameter in parameters)})"


def _shown(parameter: Parameter) -> str:
    name = parameter.name + ("..." if parameter.variadic else "")
    return name if parameter.required else f"[{name}]"


def markdown() -> str:
    """The whole page."""
    lines = [HEAD]
    for category in sorted({function.category for function in FUNCTIONS.values()}):
        known = _of(category)
        lines.append(f"\n## {category}\n\n| function | gives | what it does | example |\n|---|---|---|---|\n")
        lines += [_row(function, signature(function)) for function in known]
    shared = ", ".join(
        f"`{name}`" for name in sorted(METHODS) if FUNCTIONS.get(name) is METHODS[name] and "." not in name
    )
    shared_names = {name for name, known in METHODS.items() if FUNCTIONS.get(name) is known}
    lines.append(METHODS_HEAD.format(functions=shared))
    lines += [
        _row(METHODS[name], signature(METHODS[name], method=True))
        for name in sorted(METHODS)
        if name not in shared_names
    ]
    return "".join(lines)


def _of(category: str) -> Iterable[Function]:
    known = {function.name: function for function in FUNCTIONS.values() if function.category == category}
    return [known[name] for name in sorted(known)]


def _row(function: Function, call: str) -> str:
    notes = [function.summary]
    if function.aliases:
        notes.append(f"Also {', '.join(f'`{alias}`' for alias in function.aliases)}.")
    if function.refused:
        notes.append(f"**Refused**: {function.refused}.")
    if function.availability != "all dataflows":
        notes.append(f"*{function.availability[0].upper()}{function.availability[1:]}.*")
    text = " ".join(notes)
    examples = "<br>".join(f"{code(one.expression)} → {code(one.shown)}" for one in examples_of(function))
    cells = (code(call), code(function.returns), text, examples)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def code(text: str) -> str:
    """``text`` as inline code, whatever backticks are in it."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"
