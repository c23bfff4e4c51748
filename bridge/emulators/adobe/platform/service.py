"""The platform APIs over HTTP: reads a request, lets the troubles befall it, writes the answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from bridge.emulators.adobe.platform.calls import Reply
    from bridge.emulators.adobe.platform.gateway import Platform


class PlatformService:
    """Serves everything below ``/data``."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def add_to(self, app: web.Application) -> None:
        """Add its routes."""
        app.router.add_route("*", "/data/{path:.*}", self._serve)

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        platform, method, path = self._platform, request.method, request.path
        troubles = platform.troubles
        if troubles.latency_seconds:
            await asyncio.sleep(troubles.latency_seconds)
        if troubles.struck("reset", "before", method, path):
            return _cut(request)
        if hang := troubles.struck("hang", "before", method, path):
            await asyncio.sleep(hang.for_seconds)
        if fail := troubles.struck("fail", "before", method, path):
            platform.note(method, path, fail.status)
            return _response(platform.failed(fail))
        reply = platform.answer(method, request.rel_url.raw_path, [*request.query.items()], request.headers, body)
        if reply.later is not None:
            reply = await reply.later()
        platform.note(method, path, reply.status)
        if troubles.struck("reset", "after", method, path):
            return _cut(request)
        if hang := troubles.struck("hang", "after", method, path):
            await asyncio.sleep(hang.for_seconds)
        if fail := troubles.struck("fail", "after", method, path):
            return _response(platform.failed(fail))
        return _response(reply)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _response(reply: Reply) -> web.Response:
    if reply.document is None:
        return web.Response(status=reply.status, headers=reply.headers)
    body = reply.document if isinstance(reply.document, bytes) else orjson.dumps(reply.document)
    return web.Response(body=body, status=reply.status, headers=reply.headers, content_type=reply.content_type)
