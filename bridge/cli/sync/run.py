"""``aep-bridge sync run``: send the rows that have changed, and wait until MoEngage has accepted or refused each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bridge.cli.route_option import ROUTE, under_its_name
from bridge.cli.sync.commands import (
    FULL,
    JSON,
    LIMIT,
    connected,
    counted,
    duration,
    progress,
    rows,
    sync,
    warehouse_route,
)
from bridge.cli.terminal import hush, print_json, say

if TYPE_CHECKING:
    import asyncio

    from bridge.model.trial import Trial
    from bridge.routes.syncing.run_account import RunAccount
    from bridge.settings import Route


@sync.command()
def run(
    *,
    route: str | None = ROUTE,
    full: bool = FULL,
    limit: int | None = LIMIT,
    as_json: bool = JSON,
    while_open: bool = typer.Option(False, "--while-input-is-open", hidden=True, help="Stop at the end of the input."),
) -> None:
    """Send new and changed rows into the route's topic, and wait until MoEngage has accepted or refused each of them.

    A row counts as sent once MoEngage has accepted it. What was refused is a dead letter with its reason, and is tried again in
    every run until it passes, is changed, or is given up (aep-bridge sync give-up). When it is stopped or killed, the next run goes on where
    this one ended: nothing is lost, and what waits in Kafka is not sent twice. One run at a time.
    --limit 1 is a test: one row, read back from MoEngage as a user.
    Exits 1 when rows were refused or could not be sent, or the run did not come to its end.

    Examples:
        aep-bridge sync run --limit 1

        aep-bridge sync run --route crm
    """
    from bridge.runtime.signals import run_until_stopped

    hush()
    one = warehouse_route(route)
    with under_its_name(one):
        raise typer.Exit(
            run_until_stopped(
                lambda stop: _run(one, stop, full=full, limit=limit, as_json=as_json, while_open=while_open)
            )
        )


async def _run(
    route: Route, stop: asyncio.Event, *, full: bool, limit: int | None, as_json: bool, while_open: bool
) -> int:
    from bridge.routes.syncing.one_run import run_once
    from bridge.routes.syncing.run_account import begin_account

    if while_open:
        _stop_at_end_of_input(stop)
    account = begin_account(route.name, route.settings.warehouse.way, full=full, limit=limit)
    with progress() as screen:
        task = screen.add_task("reading what was accepted", total=None, told="")

        def tell(account: RunAccount, open_rows: int) -> None:
            ended = account.accepted + account.refused.total() + account.left_out.total()
            screen.update(
                task,
                description="sending",
                total=ended + open_rows,
                completed=ended,
                told=f"{account.read:,} rows read, {account.sent:,} sent, {account.accepted:,} accepted",
            )

        async with connected(route) as (publisher, kept):
            trial = await run_once(route, publisher, kept, account, stop=stop, tell=tell, remark=say)
    _report(account, trial, as_json=as_json)
    return 0 if account.is_clean and (trial is None or trial.ok) else 1


def _stop_at_end_of_input(stop: asyncio.Event) -> None:
    """A worker that has started this run and died has closed its end."""
    import asyncio
    import os

    loop = asyncio.get_running_loop()

    def heard() -> None:
        if not os.read(0, 1_024):
            loop.remove_reader(0)
            stop.set()

    loop.add_reader(0, heard)


def _report(account: RunAccount, trial: Trial | None, *, as_json: bool) -> None:
    if as_json:
        told = account.as_json()
        if trial is not None:
            told["read_back"] = {"ok": trial.ok, "words": trial.words}
        print_json(told)
        return
    rate = account.accepted / account.seconds if account.seconds else 0.0
    print(
        f"route {account.route}: {rows(account.read)} read, {account.sent:,} sent, {account.accepted:,} accepted"
        f" in {duration(account.seconds)} ({rate:,.0f}/s)"
    )
    if account.under_way_before:
        say(f"{rows(account.under_way_before)} of a run before were still under way when it began")
    if account.refused:
        print(f"refused: {counted(account.refused)}")
        say(f"aep-bridge deadletters list --route {account.route} shows why; they are tried again in every run")
    if account.left_out:
        print(f"left out by rule: {counted(account.left_out)}")
    if account.invalid:
        print(f"cannot be sent: {counted(account.invalid)}")
    if account.without_cursor:
        say(f"{rows(account.without_cursor)} without a cursor: read and compared in every run")
    if account.end == "stopped":
        say("stopped; the next run goes on from here")
    if trial is not None:
        say(trial.words)
        if trial.todo:
            say(trial.todo)
