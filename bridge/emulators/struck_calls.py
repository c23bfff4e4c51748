"""What faults make of one call over HTTP: it is late, cut, left hanging or answered with a failure, before or after it is processed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from bridge.emulators.spells import Fail, SpellBook


class _Answered(Protocol):
    @property
    def status(self) -> int: ...


A = TypeVar("A", bound=_Answered)


async def answer_call(
    request: web.Request,
    faults: SpellBook,
    requests: Counter[str],
    *,
    process: Callable[[], A],
    write: Callable[[A], web.Response],
    failed: Callable[[Fail], web.Response],
) -> web.Response:
    """The answer to a call whose body has been read; ``requests`` counts it by status, or as ``reset``."""
    if faults.latency_seconds:
        await asyncio.sleep(faults.latency_seconds)
    if (reset := faults.reset) is not None and reset.when == "before" and faults.strike(reset):
        return _cut(request, requests)
    if (hang := faults.hang) is not None and hang.when == "before" and faults.strike(hang):
        await asyncio.sleep(hang.for_seconds)
    if (fail := faults.strike(faults.fail)) is not None:
        requests[str(fail.status)] += 1
        return failed(fail)
    answer = process()
    requests[str(answer.status)] += 1
    if reset is not None and reset.when == "after" and faults.strike(reset):
        return _cut(request, requests)
    if hang is not None and hang.when == "after" and faults.strike(hang):
        await asyncio.sleep(hang.for_seconds)
    return write(answer)


def failed_answer(fail: Fail, document: Any, content_type: str = "application/json") -> web.Response:
    """The answer of a failure: its own body, or else ``document``."""
    headers = {}
    if fail.retry_after is not None:
        date = datetime.now(UTC) + timedelta(seconds=fail.retry_after)
        headers["Retry-After"] = (
            format_datetime(date, usegmt=True) if fail.retry_after_date else f"{fail.retry_after:g}"
        )
    if fail.body is not None:
        return web.Response(text=fail.body, status=fail.status, headers=headers)
    return web.Response(body=orjson.dumps(document), status=fail.status, headers=headers, content_type=content_type)


def _cut(request: web.Request, requests: Counter[str]) -> web.Response:
    requests["reset"] += 1
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
