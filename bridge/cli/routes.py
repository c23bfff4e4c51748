"""``aep-bridge routes``: what runs in this deployment, from where to where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import typer

from bridge.cli import app, plain

if TYPE_CHECKING:
    from bridge.settings import Deployment, Route


@app.command()
def routes(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List the routes of the settings: source, receiver's path, topics, consumer group, mapping set and destination of each.

    [routes.NAME] in bridge.toml, or BRIDGE_ROUTES__NAME__SECTION__KEY, adds one; what it does not set it has from the top level.
    Without any there is one, default, made of the top level.

    Examples:
        aep-bridge routes

        aep-bridge routes --json
    """
    from bridge.settings import load_deployment

    deployment = load_deployment()
    found = [_described(deployment, route) for route in deployment.routes]
    if as_json:
        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("route", "source", "path", "topic", "dead letters", "group", "mapping", "destination", "endpoint")
    for one in found:
        table.add_row(*(plain(str(value)) for value in list(one.values())[: len(table.columns)]))
    screen = Console()
    (screen if screen.is_terminal else Console(width=250)).print(table)


def _described(deployment: Deployment, route: Route) -> dict[str, Any]:
    from bridge.routes.receiving import paths

    settings = route.settings
    return {
        "name": route.name,
        "source": route.source,
        "path": ", ".join(path for path, at in paths(deployment.routes).items() if at == route.name),
        "topic": settings.kafka.topic,
        "dead_letter_topic": settings.kafka.dead_letter_topic,
        "group": settings.kafka.group,
        "mapping": str(settings.mapping.path) if settings.aep.payload == "xdm" else "none (raw payload)",
        "destination": route.destination,
        "endpoint": settings.aep.endpoint or "",
        "sandbox": settings.aep.sandbox,
        "routes_of_the_organisation": deployment.sharing_organisation(route),
    }
