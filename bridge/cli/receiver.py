"""``aep-bridge receiver``: MoEngage Streams in, Kafka out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bridge.cli import app

if TYPE_CHECKING:
    import asyncio

    from bridge.settings import Settings


@app.command()
def receiver() -> None:
    """Take MoEngage Streams' requests on POST /moengage/streams, and answer 200 when Kafka has every event.

    Settings: BRIDGE_RECEIVER__*, BRIDGE_KAFKA__*, BRIDGE_TELEMETRY__* (.env.example names them all). SIGTERM finishes what
    is under way and exits 0; a second signal exits at once.

    Examples:
        aep-bridge receiver

        BRIDGE_RECEIVER__AUTH=header BRIDGE_RECEIVER__HEADER_VALUE="$(openssl rand -hex 24)" aep-bridge receiver
    """
    from bridge.moengage.auth import refuse_open
    from bridge.process import run_until_stopped
    from bridge.settings import load_settings
    from bridge.telemetry.logs import configure_logging

    settings = load_settings()
    configure_logging(settings.telemetry)
    refuse_open(settings.receiver)
    raise typer.Exit(run_until_stopped(lambda stop: _receive(settings, stop)))


async def _receive(settings: Settings, stop: asyncio.Event) -> int:
    import asyncio

    from bridge.dead_man import DeadMansSwitch
    from bridge.memory import give_back_regularly, leave_the_living_alone
    from bridge.moengage.listener import Listener
    from bridge.moengage.receiver import Receiver
    from bridge.pipeline.publisher import KafkaPublisher
    from bridge.telemetry.health import Health, TelemetryServer
    from bridge.telemetry.metrics import Metrics
    from bridge.telemetry.report import Report

    metrics, health = Metrics(), Health()
    publisher = KafkaPublisher(settings.kafka)
    taker = Receiver(settings.receiver, publisher, metrics)
    health.watch("kafka", lambda: None if publisher.is_connected else "there is no connection to Kafka")
    health.watch("receiver", taker.trouble)
    # Inside out at the end: no new requests, those under way finished, and only then no Kafka.
    async with (
        DeadMansSwitch(settings.worker.hang_seconds),
        TelemetryServer(settings.telemetry, metrics, health, lambda: Report("receiver")),
        publisher,
        Listener(settings.receiver, taker),
    ):
        memory = asyncio.create_task(give_back_regularly(), name="memory")
        waiting = {asyncio.ensure_future(publisher.connected()), asyncio.ensure_future(stop.wait())}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()  # a missing topic or an unusable certificate ends the command
            # At its own pace for the rest: bodies that break off may hang on to errors, and any sender can make many of them.
            leave_the_living_alone(young=None)
            await stop.wait()
        finally:
            for one in (*waiting, memory):
                one.cancel()
    return 0
