"""Alive and ready, with the names of whatever stands in the way; served beside the metrics.

``/health/live`` answers 503 only when a restart would help; ``/health/ready`` whenever work cannot be done currently.
Both answer JSON: ``{"status": "ready"}`` or ``{"status": "unready", "reasons": {"kafka": "…"}}``.
A receiver of several routes stays ready while one of them can take events; the others' troubles stand under ``degraded``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import orjson
import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bridge.model.errors import BridgeError
from bridge.settings import variable
from bridge.telemetry.metrics import Metrics, ReceptionMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.settings import TelemetrySettings
    from bridge.telemetry.metrics import GroupMetrics
    from bridge.telemetry.report import Report

log = structlog.get_logger(__name__)


class Health:
    """What stands in the way, by name; of one route among several, by its name too. Reasons are words for an operator; no payloads, no secrets."""

    def __init__(self) -> None:
        self._unready: dict[str, str] = {}
        self._dead: dict[str, str] = {}
        self._probes: dict[str, Callable[[], str | None]] = {}
        self._routes: dict[str, dict[str, Callable[[], str | None]]] = {}

    def hold(self, name: str, reason: str) -> None:
        """Not ready because of ``name``, until :meth:`release`."""
        if self._unready.get(name) != reason:
            log.warning("unready", detail="The process is not ready; the reason says why.", because=name, reason=reason)
        self._unready[name] = reason

    def release(self, name: str) -> None:
        """``name`` no longer stands in the way."""
        if self._unready.pop(name, None) is not None:
            log.info("ready_again", detail="This reason for not being ready is gone.", because=name)

    def forget(self, name: str) -> None:
        """``name`` is no reason any more, since another stands for it."""
        self._unready.pop(name, None)

    def watch(self, name: str, probe: Callable[[], str | None]) -> None:
        """Ask ``probe`` at every question: it gives the reason, or None when all is well."""
        self._probes[name] = probe

    def watch_route(self, route: str, name: str, probe: Callable[[], str | None]) -> None:
        """Ask ``probe`` about one route of several: its trouble degrades, and only that of all is none to be ready with."""
        self._routes.setdefault(route, {})[name] = probe

    def degraded(self) -> Mapping[str, str]:
        """The troubles of routes while another has none; empty when all are well, or none."""
        troubled = self._troubled()
        return {} if len(troubled) == len(self._routes) else _by_name(troubled)

    def route_is_well(self, route: str) -> bool:
        """Whether nothing stands in the way of this route."""
        return all(probe() is None for probe in self._routes[route].values())

    def _troubled(self) -> dict[str, dict[str, str]]:
        asked = {
            route: {name: reason for name, probe in probes.items() if (reason := probe()) is not None}
            for route, probes in self._routes.items()
        }
        return {route: reasons for route, reasons in asked.items() if reasons}

    def fail(self, name: str, reason: str) -> None:
        """Not alive any more: only a restart helps."""
        log.error("not_alive", detail="Only a restart helps; the process ends.", because=name, reason=reason)
        self._dead[name] = reason

    def unready(self) -> Mapping[str, str]:
        """Every reason not to be ready; empty when ready."""
        asked = {name: reason for name, probe in self._probes.items() if (reason := probe()) is not None}
        troubled = self._troubled()
        of_all = _by_name(troubled) if len(troubled) == len(self._routes) else {}
        return {**self._dead, **self._unready, **asked, **of_all}

    def dead(self) -> Mapping[str, str]:
        """Every reason not to be alive; empty when alive."""
        return dict(self._dead)


def _by_name(troubled: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {f"{name} (route {route})": why for route, reasons in troubled.items() for name, why in reasons.items()}


class TelemetryServer:
    """``/metrics``, ``/health/live``, ``/health/ready`` and ``/status`` on the telemetry port; 0 takes any free port and logs it.

    ``report`` gives what ``/status`` tells.
    """

    def __init__(
        self,
        settings: TelemetrySettings,
        metrics: Metrics | GroupMetrics | ReceptionMetrics,
        health: Health,
        report: Callable[[], Report] | None = None,
    ) -> None:
        self._report = report
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._runner: web.AppRunner | None = None
        self.port = settings.port

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1024)
        app.router.add_get("/metrics", self._serve_metrics)
        app.router.add_get("/health/live", self._serve_live)
        app.router.add_get("/health/ready", self._serve_ready)
        app.router.add_get("/status", self._serve_status)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=75, shutdown_timeout=1)
        await self._runner.setup()
        host = self._settings.host
        try:
            await web.TCPSite(self._runner, host, self._settings.port).start()
        except OSError as error:
            await self._runner.cleanup()
            why = error.strerror or str(error)
            raise BridgeError(
                f"telemetry cannot listen on {host}:{self._settings.port}: {why}",
                hint=f"set {variable('telemetry', 'port')} (0 uses any free port) or {variable('telemetry', 'host')};"
                " a receiver and a worker on one machine need a port each",
            ) from None
        self.port = self._runner.addresses[0][1]
        log.info(
            "telemetry_listening", detail="Metrics, health and status are served.", url=f"http://{host}:{self.port}"
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def metrics(self) -> bytes:
        """Prometheus' text."""
        whole = self._metrics.of_none if isinstance(self._metrics, ReceptionMetrics) else self._metrics
        if isinstance(whole, Metrics):
            whole.asyncio_tasks.set(len(asyncio.all_tasks()))
        if isinstance(self._metrics, Metrics):
            # Of several routes each has its own gauge, and one that is in trouble is no reason against the whole.
            self._metrics.unready.clear()
            for reason in self._health.unready():
                self._metrics.unready.labels(reason).set(1)
        return generate_latest(self._metrics.registry)

    async def dead(self) -> Mapping[str, str]:
        """Every reason not to be alive."""
        return self._health.dead()

    async def unready(self) -> Mapping[str, str]:
        """Every reason not to be ready."""
        return self._health.unready()

    async def reports(self) -> Mapping[str, Any]:
        """What each process tells of itself, by its number; of a single one the number is ""."""
        return {} if self._report is None else {"": self._report()}

    async def _serve_status(self, _request: web.Request) -> web.Response:
        body = orjson.dumps({"processes": await self.reports()})
        return web.Response(body=body, content_type="application/json", charset="utf-8")

    async def _serve_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self.metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _serve_live(self, _request: web.Request) -> web.Response:
        return _answer(await self.dead(), "alive", "dead")

    async def _serve_ready(self, _request: web.Request) -> web.Response:
        return _answer(await self.unready(), "ready", "unready", self._health.degraded())


def _answer(reasons: Mapping[str, str], good: str, bad: str, degraded: Mapping[str, str] | None = None) -> web.Response:
    body: dict[str, Any] = {"status": bad, "reasons": reasons} if reasons else {"status": good}
    if degraded:
        body["degraded"] = degraded
    return web.Response(
        body=orjson.dumps(body), status=503 if reasons else 200, content_type="application/json", charset="utf-8"
    )
