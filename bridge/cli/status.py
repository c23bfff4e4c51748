"""``aep-bridge status``: how a running worker or receiver is, from its telemetry port."""

from __future__ import annotations

import operator
import time
from typing import TYPE_CHECKING, Any

import orjson
import typer

from bridge.cli import app, plain

if TYPE_CHECKING:
    from collections.abc import Callable


@app.command()
def status(
    url: str | None = typer.Option(None, help="Telemetry address; by default that of the settings.", metavar="URL"),
    seconds: float = typer.Option(1.0, min=0, help="Watch so long for the rates; 0 shows none."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show lag, rates, circuit, rate limits and dead letters; exit 1 when it is not ready or not there.

    Examples:
        aep-bridge status

        aep-bridge status --url http://127.0.0.1:9465 --json
    """
    from bridge.settings import load_settings

    telemetry = load_settings().telemetry
    host = f"[{telemetry.host}]" if ":" in telemetry.host else telemetry.host
    base = (url or f"http://{host}:{telemetry.port}").rstrip("/")
    report = _report(base, seconds)
    if as_json:
        print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(report)
    raise typer.Exit(0 if report["ready"] else 1)


def _report(base: str, seconds: float) -> dict[str, Any]:
    import httpx

    from bridge.errors import BridgeError

    if not base.startswith(("http://", "https://")):
        raise BridgeError(f"{base} is no address of a bridge", hint="--url wants http://HOST:PORT")
    try:
        # Never through a proxy: what is asked for is a process of ours, on this machine or in its network.
        with httpx.Client(base_url=base, timeout=5.0, trust_env=False) as client:
            health = client.get("/health/ready")
            first, began = _samples(client.get("/metrics").text), time.monotonic()
            time.sleep(seconds)
            last, passed = _samples(client.get("/metrics").text), time.monotonic() - began
        answer = health.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise BridgeError(
            f"no bridge answers at {base}: {type(error).__name__}", hint="is the worker running? see --url"
        ) from None
    if not isinstance(answer, dict) or not {"bridge_delivered_events_total", "bridge_worker_process_up"} & last.keys():
        raise BridgeError(f"no bridge answers at {base}: another service does", hint="see --url")
    rate = {
        name: round((_total(last, metric) - _total(first, metric)) / passed, 1)
        for name, metric in (
            ("received", "bridge_received_events_total"),
            ("consumed", "bridge_consumed_records_total"),
            ("delivered", "bridge_delivered_events_total"),
            ("dead_lettered", "bridge_dead_letters_total"),
            ("rate_limited_seconds", "bridge_rate_limited_seconds_total"),
        )
    }
    return {
        "ready": health.status_code == 200,
        "reasons": answer.get("reasons", {}),
        "processes": {labels["process"]: bool(value) for labels, value in last.get("bridge_worker_process_up", [])},
        "lag": _by(last, "bridge_kafka_lag", "{topic}[{partition}]", max),
        # Of several processes the one that is furthest behind.
        "event_age_seconds": max((value for _, value in last.get("bridge_event_age_seconds", [])), default=0.0),
        "per_second": rate if seconds else {},
        "total": {
            "delivered": int(_total(last, "bridge_delivered_events_total")),
            "dead_lettered": int(_total(last, "bridge_dead_letters_total")),
            "rate_limited_seconds": round(_total(last, "bridge_rate_limited_seconds_total"), 1),
        },
        "circuit_open": bool(_total(last, "bridge_circuit_open")),
        "held": bool(_total(last, "bridge_delivery_held")),
        "rate_share": round(_total(last, "bridge_rate_share"), 3),
        "concurrency": int(_total(last, "bridge_delivery_concurrency")),
        "in_flight": {
            "requests": int(_total(last, "bridge_delivery_in_flight")),
            "events": int(_total(last, "bridge_in_flight_events")),
            "bytes": int(_total(last, "bridge_in_flight_bytes")),
        },
        # What only a receiver has.
        "received": int(_total(last, "bridge_received_events_total")),
        "requests": _by(last, "bridge_receiver_requests_total", "{status}", operator.add),
        "dead_letters": _by(last, "bridge_dead_letters_total", "{stage}/{code}", operator.add),
        "retries": _by(last, "bridge_retries_total", "{reason}", operator.add),
    }


def _samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def _by(
    samples: dict[str, list[tuple[dict[str, str], float]]], name: str, key: str, join: Callable[[int, int], int]
) -> dict[str, int]:
    """Values by the labels in ``key``; what several processes tell of one is joined."""
    found: dict[str, int] = {}
    for labels, value in samples.get(name, []):
        at = key.format_map(labels)
        found[at] = join(found[at], int(value)) if at in found else int(value)
    return found


def _total(samples: dict[str, list[tuple[dict[str, str], float]]], name: str) -> float:
    return sum(value for _, value in samples.get(name, []))


def _show(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    out = Console()
    out.print("[green]ready[/]" if report["ready"] else "[bold red]not ready[/]")
    for name, reason in report["reasons"].items():
        out.print(plain(f"  {name}: {reason}"))
    table = Table(show_header=False)
    (_receiver_rows if report["requests"] else _worker_rows)(report, table.add_row)
    for name, value in report["dead_letters"].items():
        table.add_row(f"dead letters {name}", str(value))
    out.print(table)


def _receiver_rows(report: dict[str, Any], row: Callable[..., None]) -> None:
    if report["per_second"]:
        row("received a second", str(report["per_second"]["received"]))
    row("received in total", str(report["received"]))
    for status, count in report["requests"].items():
        if count:
            row(f"requests answered {status}", str(count))


def _worker_rows(report: dict[str, Any], row: Callable[..., None]) -> None:
    if report["processes"]:
        row("processes", f"{sum(report['processes'].values())} of {len(report['processes'])} run")
    row("lag", f"{sum(report['lag'].values())} records in {len(report['lag'])} partitions")
    for partition, lag in report["lag"].items():
        if lag:
            row("", f"{partition}: {lag}")
    row("age of events", f"{report['event_age_seconds']:.1f} s old")
    for kind, unit in (("per_second", "a second"), ("total", "in total")):
        for name, value in report[kind].items():
            if name != "received":
                row(f"{name} {unit}", str(value))
    row("circuit", "open" if report["circuit_open"] else "closed")
    row("held for credentials", "yes" if report["held"] else "no")
    row("part of the rate limits", f"{report['rate_share']:.0%}")
    row("requests under way", f"{report['in_flight']['requests']} of {report['concurrency']} allowed")
    row("in flight", f"{report['in_flight']['events']} events, {report['in_flight']['bytes']} bytes")
    for name, value in report["retries"].items():
        row(f"retries {name}", str(value))
