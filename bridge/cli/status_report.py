"""The report of ``aep-bridge status``: asked of a telemetry port, put together, and nothing in it that is not known."""

from __future__ import annotations

import math
import operator
import re
import time
from typing import TYPE_CHECKING, Any

from bridge.telemetry.metrics import NO_ROUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Samples = dict[str, list[tuple[dict[str, str], float]]]
_RATES = (
    ("received", "bridge_received_events_total"),
    ("consumed", "bridge_consumed_records_total"),
    ("delivered", "bridge_delivered_events_total"),
    ("dead_lettered", "bridge_dead_letters_total"),
    ("rate_limited_seconds", "bridge_rate_limited_seconds_total"),
)


def ask(base: str, seconds: float, route: str | None = None) -> dict[str, Any]:
    """Ask twice, ``seconds`` apart, and compare; ``BridgeError`` in words when no bridge answers at ``base``.

    Of several routes each has a report of its own under ``routes``; ``route`` asks for one alone.
    """
    import httpx

    from bridge.model.errors import BridgeError

    if not base.startswith(("http://", "https://")):
        raise BridgeError(f"{base} is not an address of a bridge", hint="--url wants http://HOST:PORT")
    try:
        # Never through a proxy: what is asked for is a process of ours, on this machine or in its network.
        with httpx.Client(base_url=base, timeout=5.0, trust_env=False) as client:
            health = client.get("/health/ready")
            if health.status_code == 404 and "MoEngage Streams" in health.text:
                raise BridgeError(
                    f"{base} is the port where a receiver takes MoEngage's events",
                    hint="its telemetry has a port of its own, by default 9464: see BRIDGE_TELEMETRY__PORT",
                )
            told = client.get("/status")
            first, began = _samples(client.get("/metrics").text), time.monotonic()
            time.sleep(seconds)
            last, passed = _samples(client.get("/metrics").text), time.monotonic() - began
        answer = health.json()
    except httpx.ConnectError:
        raise BridgeError(
            f"no bridge answers at {base}: nothing listens there", hint="is it running? see --url"
        ) from None
    except httpx.TimeoutException:
        raise BridgeError(
            f"no bridge answers at {base}: something listens there, but does not answer within 5 s",
            hint="look at its log",
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise BridgeError(
            f"no bridge answers at {base}: {type(error).__name__}", hint="is the worker running? see --url"
        ) from None
    if not isinstance(answer, dict) or not {"bridge_delivered_events_total", "bridge_worker_process_up"} & last.keys():
        raise BridgeError(f"no bridge answers at {base}: another service answers there", hint="see --url")
    processes, reasons = _processes(told), answer.get("reasons", {})
    rest: dict[str, Any] = {"passed": passed if seconds else None}
    routes = _routes(last)
    if route is not None and route not in routes:
        raise BridgeError(f"the bridge at {base} has no route {route}", hint=f"its routes: {', '.join(routes)}")
    # What degrades one route of a receiver is no reason against the whole.
    of_routes = {**answer.get("degraded", {}), **reasons}
    by_route = {
        name: report(
            ready=not (its := _reasons_of(name, of_routes)) if len(routes) > 1 else health.status_code == 200,
            reasons=its if len(routes) > 1 else reasons,
            processes={key: each for key, each in processes.items() if "/" not in key or key.startswith(f"{name}/")},
            first=_of(name, first),
            last=_of(name, last),
            **rest,
        )
        for name in (routes if len(routes) > 1 else [])
    }
    if route is not None and by_route:
        return by_route[route]
    whole = report(
        ready=health.status_code == 200, reasons=of_routes, processes=processes, first=first, last=last, **rest
    )
    return whole | ({"routes": by_route} if by_route else {})


def _routes(samples: Samples) -> list[str]:
    """The routes that a bridge tells of, in their order; what belongs to none has the label "-"."""
    found = {labels.get("route", "") for every in samples.values() for labels, _ in every}
    return sorted(found - {"", NO_ROUTE})


def _of(route: str, samples: Samples) -> Samples:
    return {
        name: kept
        for name, every in samples.items()
        if (kept := [(labels, value) for labels, value in every if labels.get("route") == route])
    }


def _reasons_of(route: str, reasons: Mapping[str, str]) -> dict[str, str]:
    named = re.compile(rf"\broute {re.escape(route)}(?![\w-])")
    return {name: why for name, why in reasons.items() if named.search(name)}


def report(
    *,
    ready: bool,
    reasons: Mapping[str, str],
    processes: Mapping[str, Any],
    first: Samples,
    last: Samples,
    passed: float | None,
) -> dict[str, Any]:
    """The report: ``processes`` as ``/status`` tells, samples of two moments ``passed`` seconds apart (None: no rates)."""
    known = [each for each in processes.values() if each]
    role = known[0]["role"] if known else "receiver" if "bridge_receiver_requests_total" in last else "worker"
    lag = _by(last, "bridge_kafka_lag", "{topic}[{partition}]", max)
    # An older bridge does not tell; then what there is counts.
    lag_known = all(each["lag_known"] for each in known) if known and role == "worker" else bool(lag)
    rates = {
        name: round((_total(last, metric) - _total(first, metric)) / passed, 1) for name, metric in _RATES if passed
    }
    return {
        "role": role,
        "ready": ready,
        "reasons": reasons,
        "processes": _up(last),
        "joined": all(each["joined"] for each in known) if known and role == "worker" else None,
        "lag_known": lag_known,
        "lag": lag,
        "oldest_open_seconds": _oldest(last),
        # Of several processes the one that is furthest behind.
        "event_age_seconds": max(_numbers(last, "bridge_event_age_seconds"), default=None),
        "per_second": rates,
        "total": {
            "delivered": int(_total(last, "bridge_delivered_events_total")),
            "dead_lettered": int(_total(last, "bridge_dead_letters_total")),
            "rate_limited_seconds": round(_total(last, "bridge_rate_limited_seconds_total"), 1),
        },
        "destination": _worst([each["destination"] for each in known if each.get("destination")]),
        "mappings": _different([each["mapping"] for each in known if each.get("mapping")]),
        "circuit_open": bool(_total(last, "bridge_circuit_open")),
        "held": bool(_total(last, "bridge_delivery_held")),
        "throttled": bool(_total(last, "bridge_throttled")),
        "postponed_events": int(_total(last, "bridge_postponed_events")),
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


def _up(samples: Samples) -> dict[str, bool]:
    """Whether each process runs, by its number, and by route where there are several."""
    found = samples.get("bridge_worker_process_up", [])
    several = len({labels.get("route") for labels, _ in found}) > 1
    return {
        f"{labels['route']}/{labels['process']}" if several else labels["process"]: bool(value)
        for labels, value in found
    }


def _processes(told: Any) -> dict[str, Any]:
    """What each process tells of itself; nothing where an older bridge does not know the question."""
    try:
        document = told.json()
    except ValueError:
        return {}
    found = document.get("processes") if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}


def _worst(destinations: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Of several processes the one for which it stands worst, and has for the longest time."""
    order = {False: 0, None: 1, True: 2}
    return min(destinations, key=lambda each: (order[each["good"]], each["since"] or 0.0), default=None)


def _different(mappings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Processes take up a changed file one after the other: each set once, the one in use longest first."""
    found = {each["sha256"]: each for each in sorted(mappings, key=lambda each: -each["since"])}
    return sorted(found.values(), key=lambda each: float(each["since"]))


def _oldest(samples: Samples) -> dict[str, float]:
    found: dict[str, float] = {}
    for labels, value in samples.get("bridge_oldest_open_seconds", []):
        found[labels["partition"]] = max(round(value, 1), found.get(labels["partition"], 0.0))
    return found


def _samples(text: str) -> Samples:
    from prometheus_client.parser import text_string_to_metric_families

    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def _by(samples: Samples, name: str, key: str, join: Callable[[int, int], int]) -> dict[str, int]:
    """Values by the labels in ``key``; what several processes tell of one is joined."""
    found: dict[str, int] = {}
    for labels, value in samples.get(name, []):
        at = key.format_map(labels)
        found[at] = join(found[at], int(value)) if at in found else int(value)
    return found


def _numbers(samples: Samples, name: str) -> Iterable[float]:
    return (value for _, value in samples.get(name, []) if not math.isnan(value))


def _total(samples: Samples, name: str) -> float:
    return sum(_numbers(samples, name))
