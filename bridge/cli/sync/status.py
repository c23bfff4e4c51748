"""``aep-bridge sync status`` and ``give-up``: what runs have done, and what is still refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.route_option import ROUTE, under_its_name
from bridge.cli.sync.commands import JSON, connected, counted, duration, sync, warehouse_route
from bridge.cli.terminal import hush, print_json, say

if TYPE_CHECKING:
    from bridge.routes.syncing.run_account import RunAccount
    from bridge.settings import Route

_SHOWN = 10


@sync.command()
def status(*, route: str | None = ROUTE, as_json: bool = JSON) -> None:
    """Show the last runs of a route, the newest first: rows read, sent and accepted, refused by reason, duration; and the cursor.

    The database is not read.

    Examples:
        aep-bridge sync status

        aep-bridge sync status --route crm --json
    """
    hush()
    one = warehouse_route(route)
    with under_its_name(one):
        runs, cursor = asyncio.run(_look(one))
    told = [_told(run) for run in runs]
    if as_json:
        body = {"route": one.name, "cursor": None if cursor is None else str(cursor), "runs": told}
        print_json(body)
        return
    print(f"route {one.name}" + ("" if cursor is None else f", cursor {cursor}"))
    if not runs:
        print("  no run yet: aep-bridge sync run")
    for account in told[:_SHOWN]:
        print(
            f"  {account['started']:%Y-%m-%d %H:%M:%S}  {account['end']:<8} {account['read']:>10,} read {account['sent']:>10,} sent"
            f" {account['accepted']:>10,} accepted  {duration(account['seconds'])}"
        )
        for name, words in (("refused", "refused"), ("left_out", "left out"), ("invalid", "cannot be sent")):
            if account[name]:
                print(f"    {words}: {counted(account[name])}")
        if account.get("error"):
            print(f"    {account['error']}")


@sync.command("give-up")
def give_up(
    keys: list[str] = typer.Argument(help="Keys of rows that were refused.", show_default=False),
    *,
    route: str | None = ROUTE,
) -> None:
    """Stop retrying rows that were refused; a row that changes is sent again. Exits 1 when a key is not that of a refused row.

    Examples:
        aep-bridge sync give-up customer-17 customer-18
    """
    hush()
    one = warehouse_route(route)
    with under_its_name(one):
        unknown = asyncio.run(_give_up(one, keys))
    for key in unknown:
        say(f"no row of key {key} is refused")
    raise typer.Exit(1 if unknown else 0)


async def _look(route: Route) -> tuple[list[RunAccount], Any]:
    async with connected(route) as (_, kept):
        return kept.runs(), kept.cursor()


async def _give_up(route: Route, keys: list[str]) -> list[str]:
    from bridge.routes.syncing.session import opened

    async with connected(route) as (_, kept), opened(route) as session:
        found = await session.call(session.comparison.hashes_of, keys)
        if found:
            await kept.give_up(found)
    return [key for key in keys if key not in found]


def _told(run: RunAccount) -> dict[str, Any]:
    """The account; of a run that died without a word it says so."""
    from bridge.routes.syncing.run_account import RUNNING, is_process

    told = run.as_json()
    if run.end == RUNNING and not run.is_alive(datetime.now(UTC), is_process=is_process):
        told["end"] = "died"
    return told
