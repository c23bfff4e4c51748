"""``aep-bridge routes``: what runs in this deployment, from where to where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.app import app
from bridge.cli.terminal import print_json

if TYPE_CHECKING:
    from bridge.settings import Deployment, Route

_LABELS = {
    "source": "source",
    "path": "receiver",
    "topic": "topic",
    "dead_letter_topic": "dead letters",
    "group": "group",
    "mapping": "mapping",
    "destination": "destination",
    "endpoint": "endpoint",
    "sandbox": "sandbox",
    "workspace": "workspace",
    "routes_of_the_organisation": "share of limits",
}


@app.command()
def routes(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List the routes of the settings: source, receiver's path, topics, consumer group, mapping set and destination of each.

    [routes.NAME] in bridge.toml, or BRIDGE_ROUTES__NAME__SECTION__KEY, adds one, which inherits what it does not set from the top level.
    Without any there is one route, default, made of the top level.

    Examples:
        aep-bridge routes

        aep-bridge routes --json
    """
    from bridge.settings import load_deployment

    deployment = load_deployment()
    found = [_described(deployment, route) for route in deployment.routes]
    if as_json:
        print_json(found)
        return
    for number, one in enumerate(found):
        # One line a fact: names of topics and files stay whole on any screen.
        print(("\n" if number else "") + one.pop("name"))
        for name, value in one.items():
            print(f"  {_LABELS[name]:<17}{_shown(name, value)}")


def _shown(name: str, value: Any) -> str:
    if name == "routes_of_the_organisation":
        return "all of the organisation's" if value == 1 else f"shared by the {value} routes to its organisation"
    return str(value) or "not set"


def _described(deployment: Deployment, route: Route) -> dict[str, Any]:
    from bridge.routes.receiving import paths

    settings, to_aep = route.settings, route.destination == "aep"
    return {
        "name": route.name,
        "source": route.source,
        "path": ", ".join(path for path, at in paths(deployment.routes).items() if at == route.name),
        "topic": settings.kafka.topic,
        "dead_letter_topic": settings.kafka.dead_letter_topic,
        "group": settings.kafka.group,
        "mapping": "none (raw payload)" if to_aep and settings.aep.payload == "raw" else str(settings.mapping.path),
        "destination": route.destination,
        "endpoint": (settings.aep.endpoint if to_aep else settings.moengage.url) or "",
        **({"sandbox": settings.aep.sandbox} if to_aep else {"workspace": settings.moengage.workspace_id or ""}),
        "routes_of_the_organisation": deployment.sharing_organisation(route),
    }
