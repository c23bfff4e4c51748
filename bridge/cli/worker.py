"""``aep-bridge worker``: from Kafka to AEP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bridge.cli.app import app
from bridge.cli.route_option import ROUTE, chosen, under_its_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.settings import Deployment, Route


@app.command()
def worker(
    processes: int | None = typer.Option(
        None,
        min=1,
        max=256,
        metavar="N",
        help="Worker processes on this machine, members of one consumer group; default: BRIDGE_WORKER__PROCESSES (1).",
    ),
    route: str | None = ROUTE,
    member: int | None = typer.Option(
        None, hidden=True, help="Internal: number of this process in a group, set by its parent."
    ),
    board: int | None = typer.Option(
        None, hidden=True, help="Internal: file descriptor of the group's shared rate limits, set by its parent."
    ),
) -> None:
    """Consume events from Kafka, map them and deliver them to AEP until told to stop (SIGTERM drains).

    Settings: BRIDGE_KAFKA__*, BRIDGE_MAPPING__*, BRIDGE_AEP__*, BRIDGE_OAUTH__*, BRIDGE_WORKER__*, BRIDGE_TELEMETRY__*
    (.env.example names them all). A changed mapping set is used without a restart. Exit 1 when work under way was not
    finished; nothing beyond it is committed, and the next worker repeats it. A second signal ends it immediately (exit 128 + its number).

    With --processes N the machine's cores are used without a supervisor: signals reach every process, one that dies is started
    again, metrics and health of all are on the one telemetry port (label "process"), and they share the rate limits.
    When they cannot even start, the command ends with their exit code.

    Where the settings have several routes, each runs in processes of its own (N each), and --route runs only one. A route
    that cannot start is given up while the others go on; exit 1 when none of them starts.

    Examples:
        aep-bridge check && aep-bridge worker

        aep-bridge worker --processes 4

        aep-bridge worker --route eu

        BRIDGE_AEP__CONCURRENCY=4 BRIDGE_TELEMETRY__PORT=9465 aep-bridge worker
    """
    from bridge.settings import load_deployment

    deployment = load_deployment()
    routes = chosen(deployment, route)
    count = 1 if member is not None else processes or deployment.common.worker.processes
    alone = len(routes) == count == 1
    raise typer.Exit(_run_alone(deployment, routes[0], member, board) if alone else _run_group(routes, count))


def _run_alone(deployment: Deployment, route: Route, number: int | None, board: int | None) -> int:
    import asyncio

    import uvloop

    from bridge.delivery.pace_board import Board
    from bridge.routes.kinds import open_parts
    from bridge.runtime.deadline import StopBudget
    from bridge.runtime.heap import keep_freed_memory
    from bridge.telemetry.logs import configure_logging
    from bridge.telemetry.metrics import Metrics
    from bridge.worker.processes.member import GroupMember
    from bridge.worker.worker import Worker

    settings = route.settings
    keep_freed_memory()
    configure_logging(settings.telemetry, process=number, route=route.name if route.declared else None)
    member = None
    if number is not None:
        member = GroupMember(number, StopBudget(settings.worker.drain_seconds))
        member.watch_parent()
    metrics = Metrics(route.name)
    sharing = deployment.sharing_organisation(route)
    with under_its_name(route):
        parts = open_parts(route, metrics)

        async def run() -> int:
            shared = None if board is None else Board(board)
            worker = Worker(settings, parts, metrics, member=member, sharing_routes=sharing, board=shared)
            return await worker.run()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run())


def _run_group(routes: Sequence[Route], count: int) -> int:
    import asyncio

    import uvloop

    from bridge.routes.kinds import destination_of, open_parts
    from bridge.telemetry.logs import configure_logging
    from bridge.telemetry.metrics import Metrics
    from bridge.worker.processes.group import Group

    configure_logging(routes[0].settings.telemetry)
    if len(routes) == 1:
        # What is wrong for all is told once, before any is started. Of several routes one that is wrong must not keep the others.
        with under_its_name(routes[0]):
            destination_of(routes[0]).check_settings(routes[0].settings)
            open_parts(routes[0], Metrics(routes[0].name))

    async def run() -> int:
        return await Group(routes, count).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())
