"""``aep-bridge setup``: plan, apply, verify and hand over what a route needs in AEP; what its commands share."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import typer

from bridge.cli.app import app, words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.adobe.client import PlatformClient
    from bridge.adobe.provisioning.preflight import Check
    from bridge.settings import Route

setup = typer.Typer(
    name="setup",
    help="Set AEP up for a route, planned, applied and verified: schema, dataset, source and dataflow; or Adobe's private destination.",
    no_args_is_help=True,
)
app.add_typer(setup)

JSON = typer.Option(False, "--json", help="JSON on stdout.")


@asynccontextmanager
async def opened(route: Route) -> AsyncIterator[PlatformClient]:
    """A client of the platform APIs for the route; its errors name the route's own settings."""
    from bridge.adobe.client import PlatformClient
    from bridge.cli.route_option import under_its_name
    from bridge.telemetry.metrics import Metrics

    with under_its_name(route):
        async with PlatformClient(route.settings, Metrics(route.name)) as client:
            yield client


def show_checks(checks: tuple[Check, ...], *, only_amiss: bool = False) -> None:
    """A line a check, on stderr."""
    from rich.markup import escape

    for one in checks:
        if only_amiss and one.ok:
            continue
        mark = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]?[/]"}[one.ok]
        words.print(f"{mark} {one.name}: {escape(one.words)}", soft_wrap=True)
        if one.todo:
            words.print(f"  [dim]{escape(one.todo)}[/]", soft_wrap=True)
