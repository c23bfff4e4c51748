"""What Adobe does not have: what was received and ingested, and how to make the emulator misbehave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from pydantic import ValidationError

from bridge.emulators.adobe.dataset_report import dataset_page, datasets
from bridge.emulators.adobe.received import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.emulators.adobe.faults import Faults
    from bridge.emulators.adobe.platform.gateway import Platform
    from bridge.emulators.adobe.platform.ingesting import Ingestion
    from bridge.emulators.adobe.received import Received


class ControlService:
    """Serves ``/received``, ``/dataset``, ``/platform``, ``/control`` and ``/health``. ``apply`` takes a control message."""

    def __init__(
        self,
        received: Received,
        ingestion: Ingestion,
        platform: Platform,
        faults: Faults,
        apply: Callable[[bytes], None],
    ) -> None:
        self._received = received
        self._ingestion = ingestion
        self._platform = platform
        self._faults = faults
        self._apply = apply

    def add_to(self, app: web.Application) -> None:
        """Add its routes."""
        app.router.add_get("/received", self._show_received)
        app.router.add_delete("/received", self._forget)
        app.router.add_get("/dataset", self._show_dataset)
        app.router.add_get("/platform", self._show_platform)
        app.router.add_get("/control", self._show_control)
        app.router.add_post("/control", self._control)
        app.router.add_get("/health", self._health)

    async def _show_received(self, request: web.Request) -> web.Response:
        if (identifier := request.query.get("payload")) is not None:
            payload = self._received.payloads.get(identifier)
            if payload is None:
                return _json({"error": "no such event, or its payload was not kept"}, 404)
            return web.Response(body=payload, content_type="application/json")
        summary = self._received.summary()
        if request.query.get("ids"):
            try:
                offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", PAGE))
            except ValueError:
                return _json({"error": "offset and limit are numbers"}, 400)
            summary |= self._received.page(max(offset, 0), max(limit, 1))
        return _json(summary)

    def _clear(self) -> None:
        self._received.clear()
        self._ingestion.clear()

    async def _forget(self, _: web.Request) -> web.Response:
        self._clear()
        return _json(self._received.summary())

    async def _show_control(self, _: web.Request) -> web.Response:
        return _json(self._in_force())

    async def _control(self, request: web.Request) -> web.Response:
        try:
            self._apply(await request.read())
        except ValidationError as error:
            problems = [
                {"key": ".".join(str(part) for part in problem["loc"]), "message": problem["msg"]}
                for problem in error.errors(include_input=False, include_url=False)
            ]
            return _json({"error": "not a control message", "problems": problems}, 400)
        return _json(self._in_force())

    def _in_force(self) -> dict[str, Any]:
        return self._faults.shown() | {"platform": self._platform.shown()}

    async def _show_dataset(self, request: web.Request) -> web.Response:
        kind = request.query.get("ids")
        if kind is None:
            return _json(datasets(self._ingestion, request.query.get("dataset")))
        try:
            offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", PAGE))
            page = dataset_page(self._ingestion, request.query.get("dataset"), kind, max(offset, 0), max(limit, 1))
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        return _json(page)

    async def _show_platform(self, _: web.Request) -> web.Response:
        return _json(self._platform.summary())

    async def _health(self, _: web.Request) -> web.Response:
        return _json({"status": "ok"})


def _json(document: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")
