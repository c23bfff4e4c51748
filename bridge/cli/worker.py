"""``aep-bridge worker``: from Kafka to AEP."""

from __future__ import annotations

import typer

from bridge.cli import app


@app.command()
def worker() -> None:
    """Consume events from Kafka, map them and deliver them to AEP until told to stop (SIGTERM drains).

    Settings: BRIDGE_KAFKA__*, BRIDGE_MAPPING__*, BRIDGE_AEP__*, BRIDGE_OAUTH__*, BRIDGE_WORKER__*, BRIDGE_TELEMETRY__*
    (.env.example names them all). A changed mapping set is taken up while it runs. Exit 1 when something begun was not
    finished; nothing beyond it is committed, and the next worker takes it up. A second signal exits at once.

    Examples:
        aep-bridge check && aep-bridge worker

        BRIDGE_AEP__CONCURRENCY=4 BRIDGE_TELEMETRY__PORT=9465 aep-bridge worker
    """
    import asyncio

    import uvloop

    from bridge.aep.destination import open_destination
    from bridge.memory import keep_freed_memory
    from bridge.pipeline.assembly import load_builder
    from bridge.pipeline.worker import Worker
    from bridge.settings import load_settings
    from bridge.telemetry.logs import configure_logging
    from bridge.telemetry.metrics import Metrics

    keep_freed_memory()
    settings = load_settings()
    configure_logging(settings.telemetry)
    metrics = Metrics()
    builder, sha256 = load_builder(settings)
    if sha256 is not None:
        metrics.mapping_info.labels(sha256).set(1)

    async def run() -> int:
        destination = open_destination(settings, metrics)
        return await Worker(settings, destination, builder, metrics, mapping=sha256).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(run())
    raise typer.Exit(code)
