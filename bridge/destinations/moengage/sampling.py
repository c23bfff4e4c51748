"""A share of the customers that were taken, read back some time later and compared with what was sent.

Bounded in memory and in calls: a bounded number of customers wait, the newest change of each; one call of 20 customers a few seconds
apart at most. What it cannot do it counts as failed; delivery never waits for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import orjson
import structlog

from bridge.destinations.moengage.read_back import MOST_USERS, differing, read_users, request_of, to_compare

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
AFTER_SECONDS: Final = 60.0
"""Between the answer and the look: MoEngage processes what it has accepted by and by."""
_EVERY_SECONDS: Final = 5.0
_MOST_WAITING: Final = 1_000
_SHOWN: Final = 10
_USER: Final = b'{"type":"customer","customer_id":"'
_WHOLE: Final = 1 << 32


class ReadBack:
    """``ask`` posts a Get User body and gives the answer's body, or None where there is none. ``clock``: seconds, never back."""

    def __init__(
        self,
        share: float,
        ask: Callable[[bytes], Awaitable[bytes | None]],
        metrics: Metrics,
        *,
        clock: Callable[[], float],
        after: float = AFTER_SECONDS,
        every: float = _EVERY_SECONDS,
    ) -> None:
        self._below = int(share * _WHOLE)
        self._ask = ask
        self._metrics = metrics
        self._clock = clock
        self._after = after
        self._every = every
        self._waiting: dict[str, tuple[float, dict[str, Any]]] = {}
        self._task: asyncio.Task[None] | None = None

    def sent(self, items: Sequence[bytes]) -> None:
        """These elements were taken. By customer id it is always the same ones that are looked at."""
        for item in items:
            if not item.startswith(_USER) or crc32(item[len(_USER) : item.find(b'",', len(_USER))]) >= self._below:
                continue
            element = orjson.loads(item)
            customer = element["customer_id"]
            wanted = to_compare(element)
            before = self._waiting.pop(customer, None)
            if before is not None:
                touched = {*wanted, *_named(element)}
                wanted = {name: value for name, value in before[1].items() if name not in touched} | wanted
            if wanted and len(self._waiting) < _MOST_WAITING:
                self._waiting[customer] = (self._clock() + self._after, wanted)
        if self._task is None and self._waiting:
            self._task = asyncio.create_task(self._run(), name="read-back")

    async def aclose(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - what is only looked at must not take delivery along
                _log.error(
                    "read_back_failed",
                    detail="Reading back customers has failed; delivery goes on, and the next look is tried.",
                    error=type(error).__name__,
                )

    async def look(self) -> None:
        """Read back those whose time has come, 20 of them at most."""
        now = self._clock()
        due = [customer for customer, (at, _) in self._waiting.items() if at <= now][:MOST_USERS]
        if not due:
            return
        wanted = {customer: self._waiting.pop(customer)[1] for customer in due}
        body = await self._ask(request_of(wanted))
        # Changed again meanwhile: what is stored may be either.
        for customer in wanted.keys() & self._waiting.keys():
            del wanted[customer]
        self._judge(wanted, body)

    def _judge(self, wanted: Mapping[str, Mapping[str, Any]], body: bytes | None) -> None:
        found = None if body is None else read_users(body)
        results = self._metrics.read_back
        if found is None:
            results.labels("failed").inc(len(wanted))
            _log.warning(
                "read_back_failed",
                detail="Get User gave no answer that can be read.",
                hint="is Get User enabled for the workspace?",
            )
            return
        names: dict[str, int] = {}
        absent = 0
        for customer, attributes in wanted.items():
            stored = found.users.get(customer)
            if stored is None:
                absent += 1
                results.labels("absent").inc()
                continue
            wrong = differing(attributes, stored)
            results.labels("differs" if wrong else "same").inc()
            for name in wrong:
                names[name] = names.get(name, 0) + 1
        if absent or names:
            _log.warning(
                "accepted_not_stored",
                detail="MoEngage has accepted updates that its profiles do not show.",
                absent=absent,
                attributes=dict(sorted(names.items(), key=lambda one: -one[1])[:_SHOWN]),
                seconds_after=self._after,
            )


def _named(element: Mapping[str, Any]) -> set[str]:
    """Every attribute that an element touches, also by edits and unset."""
    attributes = element.get("attributes") or {}
    found = set(attributes)
    for value in attributes.values():
        if isinstance(value, dict):
            found |= set(value)
    return found | {entry.get("attr", "") for entry in element.get("unset_attributes") or ()}
