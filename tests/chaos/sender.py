"""MoEngage's side: posts numbered events in batches, sends again what is not answered 200, and gives up as MoEngage does.

An event is promised once its batch was answered 200, and only then. The pauses are MoEngage's 30, 60 and 120 s, fifteen
times shorter.
"""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from typing import TYPE_CHECKING

import aiohttp
import orjson
from counting import envelope, is_deliverable
from tally import Numbers

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence
    from random import Random

PAUSES = (2.0, 4.0, 8.0)
_TIMEOUT = 10.0
_LONGEST_DEBT = 10.0
"""Seconds: what could not be posted while every connection was busy is made up for, up to here."""


class Sender:
    """Posts ``rate`` events a second until told to stop. ``next`` is the first number that was never posted.

    ``backtracking``: numbers of events that get a text which is hard to match.
    """

    def __init__(
        self,
        auth: tuple[str, str],
        rate: float,
        rng: Random,
        clock: Callable[[], float],
        *,
        sizes: Sequence[int] = (1, 20, 100, 100, 100),
        at_once: int = 8,
    ) -> None:
        """A post has one of ``sizes`` events, each as likely; at most ``at_once`` posts are under way."""
        self._url = ""
        credentials = base64.b64encode(":".join(auth).encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        self._rate = rate
        self._rng = rng
        self._sizes = sizes
        self._at_once = at_once
        self._clock = clock
        self._stop = asyncio.Event()
        self.next = 0
        self.backtracking: set[int] = set()
        self.promised = Numbers()
        self.deliverable = 0
        self.under_way = 0
        self.resent = 0
        self.given_up: set[int] = set()
        self.answers: Counter[str] = Counter()

    def stop(self) -> None:
        """Post no new events; what was begun is finished."""
        self._stop.set()

    async def run(self, url: str, trust: ssl.SSLContext) -> None:
        """Post to ``url`` until stopped; ``trust``: whose certificates are good."""
        self._url = url
        room = asyncio.Semaphore(self._at_once)
        connector = aiohttp.TCPConnector(limit=self._at_once, ssl=trust)
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        session = aiohttp.ClientSession(connector=connector, timeout=timeout, headers=self._headers)
        async with session, asyncio.TaskGroup() as posts:
            due = self._clock()
            while not self._stop.is_set():
                size = self._rng.choice(self._sizes)
                await room.acquire()
                numbers = range(self.next, self.next + size)
                self.next += size
                posts.create_task(self._deliver(session, numbers)).add_done_callback(lambda _: room.release())
                now = self._clock()
                due = max(due + size / self._rate, now - _LONGEST_DEBT)
                await asyncio.sleep(max(0.0, due - now))

    async def _deliver(self, session: aiohttp.ClientSession, numbers: range) -> None:
        body = orjson.dumps(envelope(numbers, self.backtracking))
        for pause in (*PAUSES, None):
            answer = await self._post(session, body, len(numbers))
            self.answers[answer] += 1
            if answer == "200":
                self.promised.update(numbers)
                self.deliverable += sum(
                    is_deliverable(number) and number not in self.backtracking for number in numbers
                )
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
