"""``aep-bridge worker``: from Kafka to AEP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bridge.cli import app

if TYPE_CHECKING:
    from bridge.settings import Settings


@app.command()
def worker(
    processes: int | None = typer.Option(
        None,
        min=1,
        max=256,
        metavar="N",
        help="Worker processes on this machine, members of one consumer group; by default BRIDGE_WORKER__PROCESSES (1).",
    ),
    member: int | None = typer.Option(None, hidden=True, help="Be this process of a group; its parent says so."),
) -> None:
    """Consume events from Kafka, map them and deliver them to AEP until told to stop (SIGTERM drains).

    Settings: BRIDGE_KAFKA__*, BRIDGE_MAPPING__*, BRIDGE_AEP__*, BRIDGE_OAUTH__*, BRIDGE_WORKER__*, BRIDGE_TELEMETRY__*
    (.env.example names them all). A changed mapping set is taken up while it runs. Exit 1 when something begun was not
    finished; nothing beyond it is committed, and the next worker takes it up. A second signal exits at once.

    With --processes N the machine's cores are used without a supervisor: signals reach every process, one that dies is started
    again, metrics and health of all are on the one telemetry port (label "process"), and they share the rate limits.
    When they cannot even start, the command ends with their exit code.

    Examples:
        aep-bridge check && aep-bridge worker

        aep-bridge worker --processes 4

        BRIDGE_AEP__CONCURRENCY=4 BRIDGE_TELEMETRY__PORT=9465 aep-bridge worker
    """
    from bridge.settings import load_settings

    settings = load_settings()
    count = 1 if member is not None else processes or settings.worker.processes
    raise typer.Exit(_run_alone(settings, member) if count == 1 else _run_group(settings, count))


def _run_alone(settings: Settings, number: int | None) -> int:
    import asyncio

    import uvloop

    from bridge.aep.destination import open_destination
    from bridge.memory import keep_freed_memory
    from bridge.pipeline.assembly import load_builder
    from bridge.pipeline.member import Member
    from bridge.pipeline.worker import Worker
    from bridge.telemetry.logs import configure_logging
    from bridge.telemetry.metrics import Metrics

    keep_freed_memory()
    configure_logging(settings.telemetry, process=number)
    member = None
    if number is not None:
        member = Member(number, settings.worker.drain_seconds)
        member.watch_parent()
    metrics = Metrics()
    builder, sha256 = load_builder(settings)
    if sha256 is not None:
        metrics.mapping_info.labels(sha256).set(1)

    async def run() -> int:
        destination = open_destination(settings, metrics)
        return await Worker(settings, destination, builder, metrics, mapping=sha256, member=member).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def _run_group(settings: Settings, count: int) -> int:
    import asyncio

    import uvloop

    from bridge.aep.destination import check_settings
    from bridge.pipeline.assembly import load_builder
    from bridge.pipeline.group import Group
    from bridge.telemetry.logs import configure_logging

    configure_logging(settings.telemetry)
    # What is wrong for all is told once, before any is started.
    check_settings(settings)
    load_builder(settings)

    async def run() -> int:
        return await Group(settings, count).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())
