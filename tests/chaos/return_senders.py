"""Who posts on the way back: Adobe customers with their audiences, mParticle batches; each with a model of what MoEngage must have in the end.

A call is made again until it is answered 200, one after the other: so the order of what each customer was told is known, whatever is
stored twice on the way.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from random import Random
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from adobe_customers import AdobeProfiles, CustomersOracle
from return_stage import CREDENTIALS, TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

_AGAIN = 0.2
_TIMEOUT = 5.0
_PROFILES = 10
"""Profiles of a call: as many as Adobe sends at most."""
_REPEATED = 0.1
"""Share of calls that are made once more later, although they were answered 200."""
_KEPT = 50


class Insistent:
    """Posts a body every ``every`` seconds until told to stop; ``calls`` were answered 200, ``again`` were not."""

    def __init__(self, url: str, headers: Mapping[str, str], every: float) -> None:
        self._url, self._headers, self._every = url, dict(headers), every
        self._stopped = False
        self.calls = self.again = 0

    def stop(self) -> None:
        """Make no new call; the last is made until it is answered."""
        self._stopped = True

    def body(self) -> Any:
        """The next body."""
        raise NotImplementedError

    def keep(self, body: Any) -> None:
        """It was answered 200."""
        raise NotImplementedError

    async def run(self) -> None:
        """Post until stopped."""
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
            while not self._stopped:
                body = self.body()
                content = orjson.dumps(body)
                while not await self._answered(session, content):
                    self.again += 1
                    await asyncio.sleep(_AGAIN)
                self.calls += 1
                self.keep(body)
                await asyncio.sleep(self._every)

    async def _answered(self, session: aiohttp.ClientSession, content: bytes) -> bool:
        try:
            async with session.post(self._url, data=content) as answer:
                told = await answer.text()
        except (TimeoutError, aiohttp.ClientError):
            return False
        assert answer.status in (200, 503), f"{answer.status}: {told}"
        return answer.status == 200


class AdobeCalls(Insistent):
    """Ten profiles a call; some calls are made once more after others, with what is old by then."""

    def __init__(self, url: str, seed: int, *, customers: int, every: float) -> None:
        super().__init__(url, {"Authorization": TOKEN, "Content-Type": "application/json"}, every)
        self._random = Random(seed)
        self._profiles = AdobeProfiles(seed, customers=customers)
        self._earlier: deque[list[dict[str, Any]]] = deque(maxlen=_KEPT)
        self.oracle = CustomersOracle()

    def body(self) -> Any:
        """New profiles, or an earlier call."""
        if self._earlier and self._random.random() < _REPEATED:
            return self._random.choice(self._earlier)
        return [self._profiles.draw() for _ in range(_PROFILES)]

    def keep(self, body: Any) -> None:
        """Every profile counts, in its order."""
        self._earlier.append(body)
        for profile in body:
            self.oracle.take(profile)


class MParticleCalls(Insistent):
    """Batches of several customers: an attribute, and an event with a number of its own each."""

    def __init__(self, url: str, seed: int, *, customers: int, every: float) -> None:
        auth = "Basic " + base64.b64encode(":".join(CREDENTIALS).encode()).decode()
        super().__init__(url, {"Authorization": auth, "Content-Type": "application/json"}, every)
        self._random = Random(seed)
        self._customers = customers
        self._number = 0
        self.attributes: dict[str, dict[str, Any]] = {}
        self.events: dict[str, set[int]] = {}

    def body(self) -> Any:
        """Up to five batches in one call, some of one customer."""
        return [self._batch() for _ in range(self._random.randint(1, 5))]

    def keep(self, body: Any) -> None:
        """The last value of each attribute, every event."""
        for batch in body:
            customer = batch["user_identities"][0]["identity"]
            self.attributes.setdefault(customer, {}).update(batch["user_attributes"])
            numbers = (event["data"]["custom_attributes"]["number"] for event in batch["events"])
            self.events.setdefault(customer, set()).update(numbers)

    def _batch(self) -> dict[str, Any]:
        self._number += 1
        happened = {"event_name": "Video Watched", "custom_attributes": {"number": self._number}}
        return {
            "user_identities": [
                {"identity_type": "customer_id", "identity": f"M-{self._random.randrange(self._customers)}"}
            ],
            "user_attributes": {self._random.choice(("tier", "visits")): self._number},
            "events": [{"event_type": "custom_event", "data": happened}],
        }
