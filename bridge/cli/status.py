"""``aep-bridge status``: how a running worker or receiver is, from its telemetry port."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.app import app, plain
from bridge.cli.route_option import ROUTE
from bridge.cli.terminal import print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

_RETRIES = {
    "throttled": "throttled (429)",
    "transient": "failed as a whole",
    "suspect": "server error (500)",
    "item": "single events postponed",
    "held": "credentials or set-up refused",
    "mismatched": "answer unreadable",
}
"""Why requests were sent again, in words."""


@app.command()
def status(
    url: str | None = typer.Option(None, help="Telemetry address; default: that of the settings.", metavar="URL"),
    seconds: float = typer.Option(1.0, min=0, help="Seconds to watch for the rates; 0 shows none."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    route: str | None = ROUTE,
) -> None:
    """Show what waits and for how long, rates, AEP's last answer, the mapping in use; exit 1 when it is not ready or does not answer.

    With several routes, each has a line; --route shows all of one, and the exit code is that of its readiness.

    Examples:
        aep-bridge status

        aep-bridge status --url http://127.0.0.1:9465 --json
    """
    from bridge.cli.status_report import ask
    from bridge.settings import load_deployment

    telemetry = load_deployment().common.telemetry
    host = f"[{telemetry.host}]" if ":" in telemetry.host else telemetry.host
    report = ask((url or f"http://{host}:{telemetry.port}").rstrip("/"), seconds, route)
    if as_json:
        print_json(report)
    else:
        _show(report)
    raise typer.Exit(0 if report["ready"] else 1)


def _show(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    out = Console()
    out.print(f"{report['role']}: " + ("[green]ready[/]" if report["ready"] else "[bold red]not ready[/]"))
    for name, reason in report["reasons"].items():
        out.print(plain(f"  {name}: {reason}"))
    if "routes" in report:
        out.print(_route_table(report["routes"], receiver=report["role"] == "receiver"))
        return
    table = Table(show_header=False)

    def row(name: str, value: str) -> None:
        table.add_row(plain(name), plain(value))

    (_receiver_rows if report["role"] == "receiver" else _worker_rows)(report, row)
    for name, value in report["dead_letters"].items():
        row(f"dead letters {name}", f"{value:,}")
    out.print(table)


def _route_table(routes: dict[str, dict[str, Any]], *, receiver: bool) -> Table:
    from rich.table import Table

    shown: dict[str, Callable[[dict[str, Any]], str]] = {
        "received": lambda one: _pace(one, "received", one["received"]),
    }
    if not receiver:
        shown = {
            "lag": _lag,
            "oldest that waits": _oldest,
            "delivered": lambda one: _pace(one, "delivered", one["total"]["delivered"]),
            "dead letters": lambda one: _pace(one, "dead_lettered", one["total"]["dead_lettered"]),
            "AEP": _destination,
        }
    table = Table("route", "", *shown)
    for name, one in routes.items():
        ready = "ready" if one["ready"] else "not ready"
        table.add_row(plain(name), ready, *(plain(show(one)) for show in shown.values()))
    return table


def _receiver_rows(report: dict[str, Any], row: Callable[[str, str], None]) -> None:
    row("received", _pace(report, "received", report["received"]))
    row("received in total", f"{report['received']:,}")
    for status, count in report["requests"].items():
        if count:
            row(f"requests answered {status}", f"{count:,}")


def _worker_rows(report: dict[str, Any], row: Callable[[str, str], None]) -> None:
    if report["processes"]:
        row("processes", f"{sum(report['processes'].values())} of {len(report['processes'])} run")
    row("lag", _lag(report))
    for partition, lag in report["lag"].items():
        if lag:
            row("", f"{partition}: {lag:,}")
    row("oldest that waits", _oldest(report))
    row("AEP", _destination(report))
    for mapping in report["mappings"]:
        row("mapping", f"{mapping['name']} {mapping['sha256'][:8]}, since {_when(mapping['since'])}")
        if mapping["refused_at"] is not None:
            row("refused change of it", f"{_when(mapping['refused_at'])}: {mapping['refused_why']}")
    row("read from Kafka", _pace(report, "consumed", None))
    row("delivered", _pace(report, "delivered", report["total"]["delivered"]))
    row("dead letters", _pace(report, "dead_lettered", report["total"]["dead_lettered"]))
    if report["postponed_events"]:
        row("postponed while others are accepted", f"{report['postponed_events']:,} events")
    if report["total"]["rate_limited_seconds"]:
        row("waited for rate limits", f"{report['total']['rate_limited_seconds']:,} s")
    row("circuit", "open: single requests probe AEP" if report["circuit_open"] else "closed")
    if report["held"]:
        row("held", "credentials or set-up are refused; nothing is dropped")
    row("part of the rate limits", f"{report['rate_share']:.0%}")
    row("requests under way", f"{report['in_flight']['requests']} (up to {report['concurrency']} together)")
    row("in memory", f"{report['in_flight']['events']:,} events, {report['in_flight']['bytes']:,} bytes")
    for name, value in report["retries"].items():
        row(f"sent again, {_RETRIES.get(name, name)}", f"{value:,}")


def _lag(report: dict[str, Any]) -> str:
    if not report["lag_known"]:
        waits = report["joined"] is False
        return "unknown: " + ("not in the consumer group yet" if waits else "no answer of the brokers")
    return f"{sum(report['lag'].values()):,} records in {len(report['lag'])} partitions"


def _oldest(report: dict[str, Any]) -> str:
    ages = report["oldest_open_seconds"]
    if not ages:
        return "unknown"
    partition = max(ages, key=lambda each: ages[each])
    if not ages[partition]:
        return "nothing waits" if report["lag_known"] else "unknown"
    return f"{_span(ages[partition])} (partition {partition})"


def _destination(report: dict[str, Any]) -> str:
    found = report["destination"]
    if found is None:
        return "unknown"
    if found["good"] is None:
        return f"{found['host']} has not been asked yet"
    last = "takes events" if found["good"] else found["answer"]
    told = f"{last}, since {_when(found['since'])} ({_span(time.time() - found['since'])})"
    return told + (f"; {found['next_try']}" if found["next_try"] else "")


def _pace(report: dict[str, Any], name: str, total: int | None) -> str:
    parts = [f"{report['per_second'][name]:,} a second"] if report["per_second"] else []
    return ", ".join(parts + ([f"{total:,} in total"] if total is not None else [])) or "not watched (--seconds 0)"


def _when(since: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(since))


def _span(seconds: float) -> str:
    """As a person says it: 4.0 s, 12 min, 3.5 h, 2.1 days."""
    for least, unit, name in ((172_800, 86_400, "days"), (7_200, 3_600, "h"), (120, 60, "min")):
        if seconds >= least:
            return f"{seconds / unit:.1f} {name}"
    return f"{max(seconds, 0.0):.1f} s"
