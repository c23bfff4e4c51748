"""``aep-bridge failed-batches``: what AEP refused after its 200, listed and fetched as dead letters."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.app import app, plain, words
from bridge.cli.deadletters import moment
from bridge.cli.route_option import ROUTE, chosen, only
from bridge.cli.setup.commands import opened
from bridge.cli.terminal import hush, print_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.routes.failed_batches import FailedBatchesFound, Period
    from bridge.settings import Route

failed_batches = typer.Typer(
    help="What AEP refused after its 200: list it, fetch it as dead letters.", no_args_is_help=True
)
app.add_typer(failed_batches, name="failed-batches")

_DAY = timedelta(days=1)
_SINCE = typer.Option(
    None,
    metavar="TIME",
    help="Batches created at or after this time (ISO 8601; UTC unless it says otherwise); default: 24 hours ago.",
)
_UNTIL = typer.Option(None, metavar="TIME", help="Batches created before this time; default: now.")
_JSON = typer.Option(False, "--json", help="Print JSON.")


@failed_batches.command("list")
def list_batches(
    *, since: str | None = _SINCE, until: str | None = _UNTIL, as_json: bool = _JSON, route: str | None = ROUTE
) -> None:
    """Show the batches of the route's dataset that hold failed records, with AEP's codes and fields. Nothing is stored.

    Batches that succeeded in part are among them. With several routes to AEP, each has its own list.
    Exits 1 where AEP counts failed records that it does not provide, or a batch could not be read.

    Examples:
        aep-bridge failed-batches list

        aep-bridge failed-batches list --since 2026-03-01T00:00:00Z --until 2026-03-02T00:00:00Z --json
    """
    from bridge.routes.failed_batches import list_failed

    hush()
    period = _period(since, until)

    async def run(one: Route) -> FailedBatchesFound:
        async with opened(one) as client:
            with words.status("") as status:
                return await list_failed(one, client, period, status.update)

    routes = _routes(route)
    found = {one.name: asyncio.run(run(one)) for one in routes}
    if as_json:
        bodies = {one.name: _body(one, period, found[one.name]) for one in routes}
        _print(bodies[routes[0].name] if len(routes) == 1 else {"routes": bodies})
    else:
        for one in routes:
            _show(one, period, found[one.name])
    raise typer.Exit(0 if all(one.is_whole for one in found.values()) else 1)


@failed_batches.command()
def fetch(
    *,
    since: str | None = _SINCE,
    until: str | None = _UNTIL,
    window: float = typer.Option(
        24.0,
        min=0.1,
        max=720.0,
        metavar="HOURS",
        help="Look for the events in Kafka from this long before their batch.",
    ),
    as_json: bool = _JSON,
    route: str | None = ROUTE,
) -> None:
    """Store one dead letter (stage ingest) for every record that AEP refused after its 200, however often the command is run.

    The letter holds the event where it is still in Kafka; else the XDM that came back, which a replay sends unmapped. The
    dead-letter topic shows what is stored already. Workers do the same by themselves (BRIDGE_AEP__FAILED_BATCHES_SECONDS).
    Exits 1 where AEP counts failed records that it does not provide, or a batch could not be read.

    Examples:
        aep-bridge failed-batches fetch

        aep-bridge failed-batches fetch --since 2026-03-01T00:00:00Z --window 48 --json
    """
    from bridge.kafka.producer.publisher import KafkaPublisher
    from bridge.routes.failed_batches import fetch_failed

    hush()
    period = _period(since, until)
    routes = _routes(route)
    one = only(routes, route)
    kafka = one.settings.kafka

    async def run() -> FailedBatchesFound:
        async with opened(one) as client, KafkaPublisher(kafka) as publisher:
            await publisher.connected(within=kafka.request_timeout_seconds)
            with words.status("") as status:
                return await fetch_failed(
                    one, client, publisher, period, window=timedelta(hours=window), tell=status.update
                )

    done = asyncio.run(run())
    if as_json:
        told = {"stored": done.stored, "matched": done.matched, "cut": done.cut, "already_stored": done.before}
        _print(_body(one, period, done) | told)
    else:
        _tell_amiss(done)
        say(
            f"{done.stored} dead letters stored, {done.matched} of them with the event from Kafka;"
            f" {done.before} were stored before"
        )
        if done.cut:
            say(
                f"{done.cut} were cut, so that they fit into the topic: raise max.message.bytes of {kafka.dead_letter_topic}"
            )
        if done.stored:
            say("aep-bridge deadletters list --stage ingest shows them")
    raise typer.Exit(0 if done.is_whole else 1)


def _routes(name: str | None) -> Sequence[Route]:
    from bridge.settings import load_deployment

    routes = [one for one in chosen(load_deployment(), name) if one.destination == "aep"]
    if not routes:
        raise typer.BadParameter("no route goes to AEP, and only AEP has failed batches", param_hint="--route")
    return routes


def _period(since: str | None, until: str | None) -> Period:
    from bridge.routes.failed_batches import Period

    end = moment(until, "--until") or datetime.now(UTC)
    begin = moment(since, "--since") or end - _DAY
    if begin >= end:
        raise typer.BadParameter(f"--since {begin.isoformat()} is not before --until {end.isoformat()}")
    return Period(begin, end)


def _body(route: Route, period: Period, done: FailedBatchesFound) -> dict[str, Any]:
    return {
        "dataset": route.settings.aep.dataset_id,
        "since": period.since.isoformat(),
        "until": period.until.isoformat(),
        "failed_records": sum(report.read for report in done.reports),
        "missing": done.missing,
        "batches_under_way": done.under_way,
        "batches": [
            {
                "batch": report.batch.identifier,
                "time": _time(report.batch.finished),
                "status": report.batch.status,
                "records": report.batch.records,
                "failed": report.batch.failed,
                "read": report.read,
                "problem": report.problem or None,
                "reasons": [
                    {"code": code, "field": place, "count": count}
                    for (code, place), count in report.reasons.most_common()
                ],
            }
            for report in done.reports
        ],
    }


def _show(route: Route, period: Period, done: FailedBatchesFound) -> None:
    from rich.console import Console
    from rich.table import Table

    if done.reports:
        table = Table(
            "batch",
            "time",
            "status",
            "failed",
            "code",
            "field",
            "records",
            title=f"dataset {route.settings.aep.dataset_id}",
        )
        for report in done.reports:
            batch = report.batch
            failed = str(report.read if batch.failed is None else batch.failed)
            first: list[Any] = [plain(batch.identifier), _time(batch.finished), plain(batch.status), failed]
            rows = report.reasons.most_common() or [(("", ""), 0)]
            for (code, place), count in rows:
                table.add_row(*first, plain(code), plain(place), str(count))
                first = [""] * 4
        Console().print(table)
    _tell_amiss(done)
    found = sum(report.read for report in done.reports)
    say(
        f"route {route.name}: {found} failed records in {len(done.reports)} batches"
        f" since {period.since.isoformat(timespec='seconds')}"
    )


def _tell_amiss(done: FailedBatchesFound) -> None:
    if done.under_way:
        say(f"{done.under_way} batches are still under way in AEP; look again in some minutes")
    for report in done.reports:
        if report.problem:
            say(f"batch {report.batch.identifier} could not be read completely: {report.problem}")
        elif report.missing:
            say(
                f"batch {report.batch.identifier}: AEP counts {report.batch.failed} failed records and provides {report.read}"
            )


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _print(body: dict[str, Any]) -> None:
    print_json(body)
