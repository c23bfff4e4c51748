"""``aep-bridge reconcile``: every event by day, what became of it, and what does not add up."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.app import app, plain, words
from bridge.cli.deadletters import moment
from bridge.cli.route_option import ROUTE, chosen, under_its_name
from bridge.cli.terminal import hush, print_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.routes.reconciliation.day_sum import DaySum, EventSum, Reconciled
    from bridge.settings import Route

_UNKNOWN = "unknown"


@app.command()
def reconcile(
    *,
    since: str | None = typer.Option(
        None,
        metavar="TIME",
        help="From the UTC day of this time on (ISO 8601; a date is enough); default: yesterday.",
    ),
    until: str | None = typer.Option(
        None, metavar="TIME", help="Days that begin before this time; default: up to now."
    ),
    export: list[str] | None = typer.Option(
        None,
        metavar="FILE|URL",
        help="A MoEngage file export of these days, gzip or not, or its folder in object storage (s3://, gs://, az://); may be given several times.",
    ),
    by_code: bool = typer.Option(False, "--by-code", help="Also print a line for each event code."),
    no_aep: bool = typer.Option(False, "--no-aep", help="Do not ask AEP for its batches."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    route: str | None = ROUTE,
) -> None:
    """Add up every event by UTC day of its append to Kafka: delivered, dead letter, left out, open; and what AEP made of it.

    It counts distinct event ids, and compares the topic, the counts that the worker stores with each committed offset, the dead
    letters and AEP's batches; a difference is reported with numbers and with what to do.
    Exits 0 when the sum holds and 1 when it does not. With several routes, each has a table. Nothing is written.

    Examples:
        aep-bridge reconcile

        aep-bridge reconcile --since 2026-11-25 --until 2026-11-26 --by-code

        aep-bridge reconcile --since 2026-11-25 --export export-2026-11-25.json.gz --json
    """
    from bridge.kafka.state_topic import stored_state
    from bridge.routes.kinds import open_decoder
    from bridge.routes.reconciliation.reconciling import reconcile_days
    from bridge.settings import load_deployment
    from bridge.telemetry.metrics import Metrics

    hush()
    days = _days(since, until)
    routes = chosen(load_deployment(), route)
    if export and len(routes) > 1:
        raise typer.BadParameter("name the route of the files with --route", param_hint="--route")
    if export and routes[0].source != "moengage":
        raise typer.BadParameter("only routes from MoEngage have file exports", param_hint="--export")

    async def run(one: Route) -> Reconciled:
        with under_its_name(one), words.status("") as status:
            saved = await stored_state(one.settings.kafka)
            return await reconcile_days(
                one,
                open_decoder(one),
                days,
                saved,
                Metrics(one.name),
                files=export or (),
                ask_aep=not no_aep,
                tell=status.update,
            )

    done = {one.name: asyncio.run(run(one)) for one in routes}
    if as_json:
        _print(done)
    else:
        for name, one in done.items():
            _show(name, one, by_code=by_code)
    raise typer.Exit(0 if all(one.holds for one in done.values()) else 1)


def _days(since: str | None, until: str | None) -> range:
    from bridge.routes.reconciliation.day_sum import day_number

    now = datetime.now(UTC)
    end = moment(until, "--until") or now
    begin = moment(since, "--since") or now - timedelta(days=1)
    if begin >= end:
        raise typer.BadParameter(f"--since {begin.isoformat()} is not before --until {end.isoformat()}")
    # A day belongs to what is asked for when it begins before the end.
    return range(day_number(begin), day_number(end - timedelta(microseconds=1)) + 1)


def _print(done: dict[str, Reconciled]) -> None:
    from bridge.routes.reconciliation.results import reconciled_as_json

    bodies: dict[str, Any] = {name: reconciled_as_json(one) for name, one in done.items()}
    body = next(iter(bodies.values())) if len(bodies) == 1 else {"routes": bodies}
    print_json(body)


def _show(name: str, done: Reconciled, *, by_code: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    asked_aep = any(day.ingested is not None for day in done.days)
    files = any(day.exported is not None for day in done.days)
    table = Table(title=f"route {name}: distinct events by UTC day of their append to Kafka", title_justify="left")
    for title in ("day", "received", "in Kafka", "delivered", "dead letters", "left out", "open"):
        table.add_column(title, justify="left" if title in ("day", "dead letters", "left out") else "right")
    for title in ("duplicates", "replayed", "expired", "AEP ingested", "AEP failed", "AEP queue"):
        table.add_column(title, justify="right")
    if files:
        table.add_column("in export", justify="right")
    for day in done.days:
        table.add_row(*_cells(day, asked_aep=asked_aep, files=files))
        if by_code:
            for code, part in sorted(day.codes.items(), key=lambda item: -item[1].received):
                table.add_row(f"  {plain(code or '(no code)')}", *_sum_cells(part))
    Console(width=_width(done, by_code=by_code)).print(table)
    for note in done.notes:
        say(f"note: {note}")
    if done.waiting_in_aep:
        say(f"note: AEP: {done.waiting_in_aep} delivered events are in no batch yet")
    for one in done.differences:
        say(f"error: {'' if one.day is None else _name(one.day) + ': '}{one.words}")
        say(f"  to do: {one.fix}")
    say(f"route {name}: " + ("the sum holds" if done.holds else f"the sum does not hold ({_count(done)})"))


def _width(done: Reconciled, *, by_code: bool) -> int | None:
    """Into a file or pipe no cell is cut."""
    from rich.console import Console

    if Console().is_terminal:
        return None
    codes = max((len(code) for day in done.days for code in day.codes), default=0) if by_code else 0
    return 220 + codes


def _count(done: Reconciled) -> str:
    return "1 difference" if len(done.differences) == 1 else f"{len(done.differences)} differences"


def _name(day: int) -> str:
    from bridge.routes.reconciliation.day_sum import day_name

    return day_name(day)


def _sum_cells(part: EventSum) -> list[str]:
    return [
        f"{part.received:,}",
        f"{part.in_kafka:,}",
        f"{part.delivered:,}",
        _by_name(part.dead),
        _by_name(part.left_out),
        f"{part.open:,}",
    ]


def _cells(day: DaySum, *, asked_aep: bool, files: bool) -> Sequence[str]:
    dead = _by_name(day.total.dead)
    if day.ingest_letters:
        dead = f"{'' if dead == '0' else dead + ', '}ingest {day.ingest_letters:,}"
    cells = [_name(day.day), *_sum_cells(day.total)]
    cells[4] = dead
    cells += [_or_unknown(day.duplicates), _or_unknown(day.replayed), f"{day.expired:,}"]
    cells += [
        _or_unknown(day.ingested if asked_aep else None),
        _or_unknown(day.failed if asked_aep else None),
        _UNKNOWN,
    ]
    return [*cells, _or_unknown(day.exported)] if files else cells


def _by_name(counts: Any) -> str:
    return ", ".join(f"{plain(name)} {count:,}" for name, count in sorted(counts.items()) if count) or "0"


def _or_unknown(count: int | None) -> str:
    return _UNKNOWN if count is None else f"{count:,}"
