"""MoEngage's side: posts numbered events in batches, sends again what is not answered 200, and gives up as MoEngage does, or never.

An event is promised once its batch was answered 200, and only then.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Self

import aiohttp
import orjson

from bridge.testing.numbered_events import batch, by_id, event, uuid_of
from bridge.testing.processes import eventually

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Sequence

    from bridge.testing.route_under_test import RouteUnderTest

PAUSES = (2.0, 4.0, 8.0)
"""Seconds before a batch is sent again: MoEngage's 30, 60 and 120, fifteen times shorter."""
_INSISTING = 0.2
_TIMEOUT = 10.0
_LONGEST_DEBT = 10.0
"""Seconds: what could not be posted while every connection was busy is made up for, up to here."""


class Sender:
    """Posts ``rate`` events a second until told to stop. ``next`` is the first number that was never posted.

    ``body_of`` and ``keep`` are for who sends events of other kinds, or keeps account of what is promised.
    """

    def __init__(
        self,
        credentials: tuple[str, str],
        rate: float,
        *,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        sizes: Sequence[int] = (100,),
        at_once: int = 8,
        insist: bool = False,
    ) -> None:
        """A post has one of ``sizes`` events, each as likely; at most ``at_once`` posts are under way.

        ``insist``: a batch is sent again until it is answered 200.
        """
        signed = base64.b64encode(":".join(credentials).encode()).decode()
        self._headers = {"Authorization": f"Basic {signed}", "Content-Type": "application/json"}
        self._rate = rate
        self._rng = rng or random.Random(1)  # noqa: S311 - sizes of batches
        self._sizes = sizes
        self._at_once = at_once
        self._insist = insist
        self._clock = clock
        self._url = ""
        self._stopped = False
        self.next = 0
        self.confirmed = 0
        self.under_way = 0
        self.resent = 0
        self.given_up: set[int] = set()
        self.answers: Counter[str] = Counter()

    def body_of(self, numbers: range) -> bytes:
        """The batch of these events."""
        return orjson.dumps(batch(event(number) for number in numbers))

    def keep(self, numbers: range) -> None:
        """These events are promised."""

    def stop(self) -> None:
        """Post no new events; what was begun is finished."""
        self._stopped = True

    async def run(self, url: str, trust: ssl.SSLContext | None = None) -> None:
        """Post to ``url`` until stopped; ``trust``: whose certificates are good."""
        self._url = url
        room = asyncio.Semaphore(self._at_once)
        connector = aiohttp.TCPConnector(limit=self._at_once, ssl=trust or True)
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        session = aiohttp.ClientSession(connector=connector, timeout=timeout, headers=self._headers)
        async with session, asyncio.TaskGroup() as posts:
            due = self._clock()
            while not self._stopped:
                size = self._rng.choice(self._sizes)
                await room.acquire()
                numbers = range(self.next, self.next + size)
                self.next += size
                posts.create_task(self._deliver(session, numbers)).add_done_callback(lambda _: room.release())
                now = self._clock()
                due = max(due + size / self._rate, now - _LONGEST_DEBT)
                await asyncio.sleep(max(0.0, due - now))

    async def _deliver(self, session: aiohttp.ClientSession, numbers: range) -> None:
        body = self.body_of(numbers)
        pauses: Iterable[float | None] = itertools.repeat(_INSISTING) if self._insist else (*PAUSES, None)
        for pause in pauses:
            answer = await self._post(session, body, len(numbers))
            self.answers[answer] += 1
            if answer == "200":
                self.keep(numbers)
                self.confirmed += len(numbers)
                return
            if pause is None:
                self.given_up.update(numbers)
                return
            # It may be stored all the same: the answer is what was lost, perhaps.
            self.resent += len(numbers)
            await asyncio.sleep(pause)

    async def _post(self, session: aiohttp.ClientSession, body: bytes, size: int) -> str:
        self.under_way += size
        try:
            async with session.post(self._url, data=body) as answer:
                await answer.read()
                return str(answer.status)
        except TimeoutError:
            return "timeout"
        except aiohttp.ClientError:
            return "connection"
        finally:
            self.under_way -= size


class InsistentSender(Sender):
    """Posts to a route from a thread of its own, each batch until it is confirmed, so that a test can go on until all is."""

    def __init__(self, route: RouteUnderTest, rate: float = 600.0) -> None:
        super().__init__(route.credentials, rate, at_once=1, insist=True)
        self._route = route
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def body_of(self, numbers: range) -> bytes:
        """As the base's; written down as sent."""
        document = batch(event(number) for number in numbers)
        self._route.sent |= by_id(document)
        return orjson.dumps(document)

    def keep(self, numbers: range) -> None:
        """Written down as promised."""
        self._route.promised |= set(map(uuid_of, numbers))

    def wait_for(self, more: int, within: float = 60.0) -> None:
        """Wait until a further number of events is confirmed."""
        goal = self.confirmed + more
        eventually(lambda: self.confirmed >= goal, within=within, what=f"{more} more events are confirmed")

    def _run(self) -> None:
        try:
            asyncio.run(self.run(self._route.streams))
        except BaseException as error:  # noqa: BLE001 - raised where the thread is waited for
            self._error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the last batch was never confirmed"
        if self._error is not None:
            raise self._error
