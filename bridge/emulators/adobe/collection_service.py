"""IMS and the collection endpoints over HTTP: reads a request, lets the faults befall it, writes the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from bridge.emulators.adobe.collection import flow_of
from bridge.emulators.adobe.problems import edge_problem
from bridge.emulators.struck_calls import answer_call, failed_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.emulators.adobe.collection import Answer, Collection
    from bridge.emulators.adobe.faults import Faults
    from bridge.emulators.adobe.ims import Ims
    from bridge.emulators.adobe.received import Received
    from bridge.emulators.spells import Fail


class CollectionService:
    """Serves ``/collection`` and ``/ims``."""

    def __init__(self, collection: Callable[[], Collection], ims: Ims, received: Received, faults: Faults) -> None:
        self._collection = collection
        self._ims = ims
        self._received = received
        self._faults = faults

    def add_to(self, app: web.Application) -> None:
        """Add its routes."""
        app.router.add_post("/collection/batch/{inlet}", self._batch)
        app.router.add_post("/collection/{inlet}", self._single)
        app.router.add_post("/ims/token/{version:v[23]}", self._token)

    async def _batch(self, request: web.Request) -> web.Response:
        return await self._collect(request, batch=True)

    async def _single(self, request: web.Request) -> web.Response:
        return await self._collect(request, batch=False)

    async def _collect(self, request: web.Request, *, batch: bool) -> web.Response:
        body = await request.read()
        return await answer_call(
            request,
            self._faults,
            self._received.requests,
            process=lambda: self._answer(request, body, batch=batch),
            write=lambda answer: _json(answer.document, answer.status),
            failed=_failed,
        )

    def _answer(self, request: web.Request, body: bytes, *, batch: bool) -> Answer:
        inlet_id, collection = request.match_info["inlet"], self._collection()
        refused = collection.refuse(inlet_id, request.headers, request.query, len(body))
        if refused is not None:
            return refused
        flow = flow_of(request.headers, request.query)
        if batch:
            return collection.batch(inlet_id, body, flow)
        asked = (request.query.get("syncValidation") or request.query.get("synchronousValidation") or "").lower()
        return collection.single(inlet_id, body, flow, synchronous=asked == "true")

    async def _token(self, request: web.Request) -> web.Response:
        form: dict[str, Any] = dict(request.query) if request.match_info["version"] == "v2" else {}
        if request.content_type == "application/x-www-form-urlencoded":
            form |= await request.post()
        fail = self._faults.strike(self._faults.ims)
        if fail is not None:
            self._received.token_requests[str(fail.status)] += 1
            return _failed(fail)
        status, document = self._ims.grant(form, lifetime=self._faults.token_ttl)
        self._received.token_requests[str(status)] += 1
        return _json(document, status)


def _json(document: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")


def _failed(fail: Fail) -> web.Response:
    problem = edge_problem("0201", fail.status, "Service unavailable", "The emulator was told to fail")
    return failed_answer(fail, problem, "application/problem+json")
