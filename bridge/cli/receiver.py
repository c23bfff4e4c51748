"""``aep-bridge receiver``: MoEngage Streams in, Kafka out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bridge.cli.app import app

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from bridge.settings import Route


@app.command()
def receiver() -> None:
    """Accept MoEngage Streams' requests on POST /moengage/streams, and answer 200 once Kafka has every event.

    Settings: BRIDGE_RECEIVER__*, BRIDGE_KAFKA__*, BRIDGE_TELEMETRY__* (.env.example names them all). SIGTERM finishes the
    requests under way and exits 0; a second signal exits immediately.

    Where the settings have several routes, POST /moengage/streams/NAME takes each one's events with its own credentials
    (BRIDGE_ROUTES__NAME__RECEIVER__…) into its own topic, all on this port; trouble of one route degrades only that route.

    Examples:
        aep-bridge receiver

        BRIDGE_RECEIVER__AUTH=header BRIDGE_RECEIVER__HEADER_VALUE="$(openssl rand -hex 24)" aep-bridge receiver
    """
    from bridge.cli.route_option import under_its_name
    from bridge.model.errors import SettingsError
    from bridge.routes.receiving import posting
    from bridge.runtime.signals import run_until_stopped
    from bridge.settings import load_deployment
    from bridge.sources.http.auth import refuse_open
    from bridge.telemetry.logs import configure_logging

    deployment = load_deployment()
    configure_logging(deployment.common.telemetry)
    routes = posting(deployment.routes)
    if not routes:
        raise SettingsError("there is no route whose events are posted to a receiver")
    for route in routes:
        with under_its_name(route):
            refuse_open(route.settings.receiver)
    raise typer.Exit(run_until_stopped(lambda stop: _receive(routes, stop)))


async def _receive(routes: Sequence[Route], stop: asyncio.Event) -> int:
    import asyncio

    from bridge.routes.reception import open_reception
    from bridge.runtime.dead_man import DeadMansSwitch
    from bridge.runtime.heap import freeze_startup_objects, give_back_regularly
    from bridge.sources.http.listener import Listener
    from bridge.telemetry.health import TelemetryServer
    from bridge.telemetry.report import Report

    common = routes[0].settings
    opened = open_reception(routes)
    # Inside out at the end: no new requests, those under way finished, and only then no Kafka.
    async with (
        DeadMansSwitch(common.worker.hang_seconds),
        TelemetryServer(common.telemetry, opened.metrics, opened.health, lambda: Report("receiver")),
        opened.stores,
        Listener(common.receiver, opened.endpoint),
    ):
        memory = asyncio.create_task(give_back_regularly(), name="memory")
        waiting = {asyncio.ensure_future(opened.stores.connected()), asyncio.ensure_future(stop.wait())}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()  # a missing topic or an unusable certificate ends the command
            # At its own pace for the rest: bodies that break off may hang on to errors, and any sender can make many of them.
            freeze_startup_objects(young=None)
            await stop.wait()
        finally:
            for one in (*waiting, memory):
                one.cancel()
    return 0
