"""``aep-bridge mapping functions``: the functions of the language, each with an example that was executed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.mapping.commands import JSON, mapping
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from bridge.mapping.functions.registry import Function


@mapping.command()
def functions(
    name: str | None = typer.Argument(None, help="One function (or method) by name."),
    as_json: bool = JSON,
) -> None:
    """List the functions of the language, or explain one with an example.

    Examples:
        aep-bridge mapping functions

        aep-bridge mapping functions dformat
    """
    from bridge.cli.mapping import show
    from bridge.mapping.functions.catalogue import FUNCTIONS, METHODS

    if name is not None:
        describe(name, as_json=as_json)
        return
    every = list({id(one): one for one in (*FUNCTIONS.values(), *METHODS.values())}.values())
    if as_json:
        show.data([_as_json(one) for one in every])
        return
    for category in dict.fromkeys(one.category for one in every):
        print(category)
        for one in every:
            if one.category != category:
                continue
            where = "refused" if one.refused else "" if one.availability == "all dataflows" else one.availability
            print(show.cut(f"  {signature(one)}"))
            print(show.cut(f"      {one.summary}" + (f" ({where})" if where else "")))


def list_names() -> None:
    """Print every name, a line for each category."""
    from bridge.mapping.functions.catalogue import FUNCTIONS

    for category in dict.fromkeys(one.category for one in FUNCTIONS.values()):
        print(f"{category}: {', '.join(name for name, one in FUNCTIONS.items() if one.category == category)}")


def describe(name: str, *, as_json: bool = False) -> None:
    """Print what one function does."""
    from bridge.cli.mapping import show
    from bridge.mapping.functions.catalogue import FUNCTIONS, METHODS
    from bridge.mapping.functions.synonyms import meant
    from bridge.mapping.workshop.function_examples import examples_of

    bare = name.removeprefix(".")
    found = FUNCTIONS.get(bare) or METHODS.get(bare)
    if found is None:
        near = meant(bare)
        raise BridgeError(
            f"no function {name}", hint=f"did you mean {near}?" if near else "mapping functions lists them"
        )
    if as_json:
        show.data(_as_json(found))
        return
    lines = [signature(found), found.summary, f"gives: {found.returns}", f"works in: {found.availability}"]
    if found.aliases:
        lines.append(f"also: {', '.join(found.aliases)}")
    lines += [
        f"  {one.name}: {one.kind}{'' if one.required else ', optional'}{', repeated' if one.variadic else ''}"
        for one in found.parameters
    ]
    for example in examples_of(found):
        over = f"   over {example.event}" if example.event != "{}" else ""
        lines.append(f"example: {example.expression}{over}\n      -> {example.shown}")
    if found.name == "date":
        from bridge.mapping.values.dates.conversion import FALLBACK_FORMATS

        lines.append("without a pattern it tries, in this order:")
        lines += [f"  {pattern}" for pattern in FALLBACK_FORMATS]
    if found.refused:
        lines.append(f"refused: {found.refused}")
    print("\n".join(lines))


def _as_json(function: Function) -> dict[str, Any]:
    from bridge.mapping.workshop.function_examples import examples_of

    return {
        "name": function.name,
        "aliases": list(function.aliases),
        "category": function.category,
        "signature": signature(function),
        "returns": function.returns,
        "availability": function.availability,
        "summary": function.summary,
        "examples": [
            {"expression": one.expression, "event": one.event, "value": one.shown} for one in examples_of(function)
        ],
        **({"refused": function.refused} if function.refused else {}),
    }


def signature(function: Function) -> str:
    """``substr(INPUT, START_INDEX, LENGTH)``; optional parameters in brackets."""
    parts = [
        (one.name if one.required else f"[{one.name}]") + (", ..." if one.variadic else "")
        for one in function.parameters
    ]
    return f"{function.name}({', '.join(parts)})"
