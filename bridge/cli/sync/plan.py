"""``aep-bridge sync plan``: what a run would send, what would be refused and why, and how long it would take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

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
    from bridge.routes.syncing.run_account import RunAccount
    from bridge.routes.syncing.sync_plan import SyncPlan
    from bridge.settings import Route


@sync.command()
def plan(*, route: str | None = ROUTE, full: bool = FULL, limit: int | None = LIMIT, as_json: bool = JSON) -> None:
    """Read the rows and show what a run would do with them: new, changed, unchanged, gone, refused by rule. Nothing is sent.

    Rows go through the route's mapping set and MoEngage's rules, as in the worker. The time is what MoEngage's
    budgets (BRIDGE_MOENGAGE__USERS_PER_MINUTE, __EVENTS_PER_MINUTE) allow at best. Exits 3 when there is something to send, 0 when
    there is not.

    Examples:
        aep-bridge sync plan

        aep-bridge sync plan --route crm --json
    """
    hush()
    one = warehouse_route(route)
    with under_its_name(one):
        planned = asyncio.run(_plan(one, full=full, limit=limit))
    if as_json:
        print_json(_as_json(planned))
    else:
        _show(planned)
    raise typer.Exit(3 if planned.to_send else 0)


async def _plan(route: Route, *, full: bool, limit: int | None) -> SyncPlan:
    from bridge.routes.syncing import sync_plan
    from bridge.routes.syncing.one_run import check_settings
    from bridge.routes.syncing.session import opened
    from bridge.telemetry.metrics import Metrics

    check_settings(route)
    with progress() as screen:
        task = screen.add_task("reading what was accepted", total=None, told="")

        def tell(account: RunAccount) -> None:
            screen.update(task, description="reading rows", told=f"{account.read:,} rows")

        async with connected(route) as (_, kept), opened(route, kept.given_up()) as session:
            return await sync_plan.plan(session, Metrics(route.name), kept.cursor(), full=full, limit=limit, tell=tell)


def _as_json(planned: SyncPlan) -> dict[str, Any]:
    account = planned.account
    return {
        "route": account.route,
        "mode": account.mode,
        "rows": account.read,
        "new": account.findings["new"],
        "changed": account.findings["changed"],
        "unchanged": account.findings["unchanged"],
        "refused_before": account.findings["again"],
        "sent_once": account.findings["sent_once"],
        "given_up": account.findings["given_up"],
        "vanished": account.vanished,
        "held_back": account.held_back,
        "under_way": planned.under_way,
        "invalid": {str(rule): count for rule, count in account.invalid.items()},
        "would_be_refused": dict(planned.refused),
        "reasons": planned.reasons,
        "without_cursor": account.without_cursor,
        "since": None if planned.since is None else str(planned.since),
        "to_send": planned.to_send,
        "users": planned.users,
        "events": planned.events,
        "seconds": round(planned.seconds, 1),
        "examples": [{"key": one.key, "what": one.what, "refused": one.refused} for one in planned.examples],
    }


def _show(planned: SyncPlan) -> None:
    found = _as_json(planned)
    print(f"route {found['route']} ({found['mode']}): {rows(found['rows'])} read" + _since(found["since"]))
    for name in ("new", "changed", "unchanged", "refused_before", "sent_once", "given_up", "vanished", "under_way"):
        if found[name] or name in ("new", "changed", "unchanged"):
            print(f"  {name.replace('_', ' '):<16}{found[name]:>12,}")
    if found["invalid"]:
        print(f"  {'cannot be sent':<16}{sum(found['invalid'].values()):>12,}  {counted(found['invalid'])}")
    if found["would_be_refused"]:
        print(f"  {'would be refused':<16}{sum(found['would_be_refused'].values()):>12,}")
        for code, count in found["would_be_refused"].items():
            print(f"    {count:,} {code}: {planned.reasons[code]}")
    if found["without_cursor"]:
        print(f"  {rows(found['without_cursor'])} without a cursor: read and compared in every run")
    if found["held_back"]:
        print(
            f"  {found['held_back']:,} rows have vanished, more than BRIDGE_WAREHOUSE__VANISHED_SHARE allows: a run would not tell MoEngage of them"
        )
    for one in planned.examples:
        say(f"  {one.what:<9} {one.key}" + (f"  refused: {one.refused}" if one.refused else ""))
    if planned.to_send:
        print(
            f"to send: {rows(planned.to_send)}, {planned.users:,} users and {planned.events:,} events;"
            f" at least {duration(planned.seconds)} within MoEngage's budgets"
        )
    else:
        print("there is nothing to send")


def _since(since: str | None) -> str:
    return "" if since is None else f", from cursor {since} on"
