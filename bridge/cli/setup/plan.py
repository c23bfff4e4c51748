"""``aep-bridge setup plan``: what would be created or changed in AEP, and in the settings."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from bridge.cli.route_option import ROUTE, chosen
from bridge.cli.setup.commands import JSON, opened, setup, show_checks
from bridge.cli.terminal import hush, print_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.routes.setting_up import DestinationOutlook, Outlook
    from bridge.settings import Route

_COLOURS = {"+": "green", "~": "yellow", "=": "dim", "!": "red", "irreversible": "magenta", "todo": "red"}


@setup.command()
def plan(as_json: bool = JSON, route: str | None = ROUTE) -> None:
    """Show what apply would do: + create, ~ change, = exists, ! conflict with what to do. Nothing is changed.

    For a route from Adobe that is the private destination, which posts to the receiver; for one to AEP all that its stream needs.

    Exit 0 when there is nothing to do, 3 when there is something, 1 on a conflict, a missing permission or an error. What AEP can
    never undo is marked. Names and choices are the settings BRIDGE_SETUP__…; objects that the settings name by id are used as
    they are, others are found by their names.

    Examples:
        aep-bridge setup plan

        aep-bridge setup plan --route eu --json
    """
    from bridge.settings import load_deployment

    hush()
    outlooks = asyncio.run(_look(chosen(load_deployment(), route)))
    codes = []
    documents = []
    for number, outlook in enumerate(outlooks):
        codes.append(1 if outlook.is_refused else outlook.plan.exit_code)
        if as_json:
            documents.append(document(outlook))
            continue
        if number:
            print()
        show(outlook)
    if as_json:
        # One route is one object, as most deployments have one.
        print_json(documents[0] if len(documents) == 1 else documents)
    raise typer.Exit(1 if 1 in codes else max(codes))


async def _look(routes: Sequence[Route]) -> list[Outlook | DestinationOutlook]:
    from bridge.routes.setting_up import outlook_of

    found: list[Outlook | DestinationOutlook] = []
    for route in routes:
        async with opened(route) as client:
            say(f"route {route.name}: asking AEP what is there …")
            found.append(await outlook_of(route, client))
    return found


def document(outlook: Outlook | DestinationOutlook) -> dict[str, object]:
    """The plan of a route for a program."""
    from bridge.adobe.provisioning.rendering import as_json

    return {
        "route": outlook.route.name,
        **outlook.place,
        **as_json(outlook.plan, outlook.checks),
    }


def show(outlook: Outlook | DestinationOutlook) -> None:
    """The plan on stdout, what is amiss with the credential on stderr."""
    from rich.console import Console
    from rich.text import Text

    from bridge.adobe.provisioning.rendering import lines, summary

    console = Console(highlight=False, soft_wrap=True)
    place = ", ".join(f"{name} {outlook.place[name]}" for name in ("sandbox", "tenant") if name in outlook.place)
    console.print(f"route {outlook.route.name}: {place}", markup=False)
    for mark, line in lines(outlook.plan):
        console.print(Text(outlook.route.named(line), style=_COLOURS.get(mark, "")))
    console.print(f"plan: {summary(outlook.plan)}", markup=False)
    show_checks(outlook.checks, only_amiss=True)
