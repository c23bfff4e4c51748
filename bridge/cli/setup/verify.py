"""``aep-bridge setup verify``: a test event through the real path, followed into the dataset."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from bridge.cli.app import words
from bridge.cli.route_option import ROUTE, only
from bridge.cli.setup.apply import wait_out
from bridge.cli.setup.commands import JSON, opened, setup
from bridge.cli.terminal import hush, print_json, say

if TYPE_CHECKING:
    from bridge.adobe.provisioning.verification import Station
    from bridge.settings import Route

_MARKS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]?[/]"}


@setup.command()
def verify(
    *,
    wait: float = typer.Option(
        3_600, "--wait", min=0, metavar="SECONDS", help="How long to wait for the event in the dataset."
    ),
    instance: str | None = typer.Option(
        None,
        "--instance",
        metavar="ID",
        help="Of a route from Adobe: the connection to post through, in place of BRIDGE_SETUP__DESTINATION_INSTANCE_ID.",
    ),
    as_json: bool = JSON,
    route: str | None = ROUTE,
) -> None:
    """Send a test event through the route's mapping and inlet, and follow it until it is in the dataset or refused.

    A line for each station with how long it took; exit 1 where one fails. The event is of a person aep-bridge-verify, stays in
    the dataset, and makes one profile where Profile is enabled. It is sent to the single endpoint, which validates immediately where
    AEP offers that, and to the batch endpoint, as the worker does. Events come into the data lake within the hour.

    For a route from Adobe the private destination is tested: Adobe renders its template with awkward texts and with sample profiles, and, where there is a connection, posts one through it, which the receiver leaves out.

    Examples:
        aep-bridge setup verify

        aep-bridge setup verify --route eu --wait 600 --json
    """
    from bridge.routes.private_destinations import has_destination
    from bridge.settings import load_deployment

    hush()
    selected = only(load_deployment().routes, route)
    if has_destination(selected):
        stations = asyncio.run(_verify_destination(selected, instance, as_json=as_json))
    elif instance is not None:
        raise typer.BadParameter("only for a route from Adobe", param_hint="--instance")
    else:
        stations = asyncio.run(_verify(selected, wait=wait, as_json=as_json))
    ok = all(one.ok is not False for one in stations)
    if as_json:
        told = {"ok": ok, "stations": [_as_json(one) for one in stations]}
        print_json(told)
    if not ok:
        raise typer.Exit(1)


async def _verify_destination(route: Route, instance: str | None, *, as_json: bool) -> list[Station]:
    from bridge.adobe.private_destination.destination_plan import PrivateDestination
    from bridge.adobe.private_destination.destination_verification import verify_destination
    from bridge.adobe.provisioning.verification import Station
    from bridge.routes.private_destinations import receiving_of, wanted_destination

    stations: list[Station] = []
    async with opened(route) as client:
        began = time.monotonic()
        await client.authorization()
        stations.append(Station("token", ok=True, words="from IMS", seconds=time.monotonic() - began))
        if not as_json:
            _show(route, stations[0])
        subject = PrivateDestination(client, wanted_destination(route))
        chosen = instance or route.settings.setup.destination_instance_id or ""
        async for station in verify_destination(client, subject, receiving_of(route), chosen):
            stations.append(station)
            if not as_json:
                _show(route, station)
    return stations


def _as_json(station: Station) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": station.name,
        "ok": station.ok,
        "words": station.words,
        "seconds": round(station.seconds, 3),
    }
    return told | ({"todo": station.todo} if station.todo else {})


async def _verify(route: Route, *, wait: float, as_json: bool) -> list[Station]:
    from bridge.adobe.provisioning.verification import Patience, Station, verify, warm_up_left
    from bridge.routes.probing import open_probe
    from bridge.telemetry.metrics import Metrics

    stations: list[Station] = []

    def tell(station: Station) -> None:
        stations.append(station)
        if not as_json:
            _show(route, station)

    async with opened(route) as client:
        settings = route.settings
        began = time.monotonic()
        await client.authorization()
        tell(Station("token", ok=True, words="from IMS", seconds=time.monotonic() - began))
        began = time.monotonic()
        probe = open_probe(settings, Metrics(route.name), time.time())
        made = f"event {probe.identifier}" + ("" if settings.aep.payload == "xdm" else ", which AEP maps")
        tell(Station("mapping", ok=True, words=made, seconds=time.monotonic() - began))
        warm_up = settings.setup.warm_up_seconds
        await wait_out(await warm_up_left(client, settings.aep.flow_id or "", warm_up, time.time()))
        with words.status("") as status:
            async for station in verify(
                client,
                settings.aep.dataset_id or "",
                probe,
                in_profile=settings.setup.profile,
                patience=Patience(longest=wait),
                waiting=lambda what, seconds: status.update(f"{what}, {seconds:.0f} s"),
            ):
                tell(station)
    return stations


def _show(route: Route, station: Station) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    told = escape(route.named(station.words))
    console.print(f"{_MARKS[station.ok]} {station.name:<16} {station.seconds:6.1f} s  {told}")
    if station.todo:
        say(f"  {route.named(station.todo)}")
