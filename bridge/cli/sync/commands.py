"""What the commands of ``aep-bridge sync`` share."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.app import app, words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rich.progress import Progress

    from bridge.kafka.producer.publisher import KafkaPublisher
    from bridge.routes.syncing.kept import Kept
    from bridge.settings import Route

sync = typer.Typer(
    name="sync",
    help="Send rows of a database, warehouse or file to MoEngage: only changed rows, each counted as sent once it is accepted.",
    no_args_is_help=True,
)
app.add_typer(sync)

FULL = typer.Option(
    False, "--full", help="Send all rows, changed or not (in mode insert still each key once), and ignore the cursor."
)
LIMIT = typer.Option(None, "--limit", min=1, metavar="N", help="Send at most N rows.")
JSON = typer.Option(False, "--json", help="JSON on stdout.")


def warehouse_route(name: str | None) -> Route:
    """The route of that name, or the only one with a warehouse as its source. A usage error where it would be a choice."""
    from bridge.cli.route_option import only
    from bridge.settings import load_deployment

    routes = load_deployment().routes
    found = [route for route in routes if route.source == "warehouse"]
    if not found:
        raise typer.BadParameter(
            'no route has a warehouse as its source: [routes.NAME] source = "warehouse"', param_hint="--route"
        )
    if name is not None and name in {route.name for route in routes} - {route.name for route in found}:
        raise typer.BadParameter(f"the source of route {name} is not a warehouse", param_hint="--route")
    return only(found, name)


@asynccontextmanager
async def connected(route: Route) -> AsyncIterator[tuple[KafkaPublisher, Kept]]:
    """A publisher of the route's records, and what its runs have kept, read once."""
    from bridge.kafka.producer.publisher import KafkaPublisher
    from bridge.kafka.state_topic import StateTopic
    from bridge.routes.syncing.kept import Kept

    kafka = route.settings.kafka
    async with KafkaPublisher(kafka, route=route.name) as publisher:
        await publisher.connected(within=kafka.request_timeout_seconds)
        topic = StateTopic(kafka, publisher)
        await topic.open()
        kept = Kept(topic, route.name, route.settings.warehouse.cursor)
        await kept.read()
        yield publisher, kept


def progress() -> Progress:
    """A bar where stderr is a terminal."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=words,
        transient=True,
        disable=not words.is_terminal,
    )


def counted(counts: Any) -> str:
    """Counts by name, the largest first: ``3 customer_id_missing, 1 action_missing``."""
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def rows(count: int) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{count:,} row" + ("" if count == 1 else "s")


def duration(seconds: float) -> str:
    """A time for a person: ``0.4 s``, ``3 min 20 s``, ``5 h 2 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
