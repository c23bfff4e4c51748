"""Where every rung of the ladder delivers: the emulator, with its checks put off until the run is over.

    python -m bench.sink [--raw]        prints where it listens as one line of JSON

Tokens, headers, sizes and answers are the emulator's own. A request's body is kept and its events are counted by a scan,
so that the sink costs little beside the peer that is measured; ``GET /verify`` then reads every event of every body and
says how many came, how many of them are different and how many the emulator would have refused.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import uvloop
from aiohttp import web

from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.collection import Answer, Collection
from bridge.emulators.adobe.inlet import EXAMPLE, Checker
from bridge.runtime.heap import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

_BODIES = 640 << 20
"""Bytes of request bodies that the ladder brings to one sink."""
_CHECKED = 2_000
"""So many events of a run get all of the emulator's checks; of the others only the id is read."""


class _Deferred(Collection):
    """Keeps bodies for later."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # What stands in every event once, and in nothing else of a body.
        self.mark = b'"xdmEntity":' if self.inlet.payload == "xdm" else b'"event_uuid":'
        self.clear()

    def clear(self) -> None:
        self.bodies: list[bytes] = []
        self.arrivals: list[tuple[float, int]] = []
        self.events = self.requests = 0

    def refuse(self, inlet_id: str, headers: Mapping[str, str], query: Mapping[str, str], size: int) -> Answer | None:
        return super().refuse(inlet_id, headers, query, size)

    def batch(self, inlet_id: str, body: bytes, flow_id: str | None = None) -> Answer:  # noqa: ARG002 - as the emulator
        count = body.count(self.mark)
        self.bodies.append(body)
        self.arrivals.append((time.time(), count))
        self.events += count
        self.requests += 1
        transaction = str(uuid.uuid4())
        responses = [{"xactionId": f"{transaction}-{position}"} for position in range(count)]
        document = {"inletId": inlet_id, "batchId": self._next_batch(), "receivedTimeMs": time.time_ns() // 1_000_000}
        return Answer(207, document | {"responses": responses})

    def verify(self) -> dict[str, Any]:
        """Read everything that came."""
        raw = self.inlet.payload == "raw"
        checker = Checker(replace(self.inlet))
        seen: dict[str, int] = {}
        events = refused = size = 0
        for body in self.bodies:
            size += len(body)
            for message in orjson.loads(body)["messages"]:
                identifier = message["event_uuid"] if raw else message["body"]["xdmEntity"]["_id"]
                seen[identifier] = seen.get(identifier, 0) + 1
                if events < _CHECKED and isinstance(checker.event_of(message), str):
                    refused += 1
                events += 1
        return {
            "events": events,
            "unique": len(seen),
            "refused": refused,
            "requests": self.requests,
            "bytes": size,
            "miscounted": events - self.events,
        }

    def latencies(self) -> list[float]:
        """Seconds from the production of each event (its ``event_time`` is not it: see ``bench.latency``) to its arrival."""
        found: list[float] = []
        for body, (arrived, _) in zip(self.bodies, self.arrivals, strict=True):
            for message in orjson.loads(body)["messages"]:
                event = message if "event_uuid" in message else message["body"]["xdmEntity"]
                attributes = event.get("user_attributes") or event["_yourorgname"]["userAttributesJson"]
                found.append(arrived - attributes["sent_at"])
        return found


class Sink(Emulator):
    """The emulator with a :class:`_Deferred` collection and three addresses of its own."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.collection: _Deferred = _Deferred(
            self.inlet, self.ims, self.received, self.faults, max_bytes=1_048_576, sync_validation=True
        )

    def app(self) -> web.Application:
        """The emulator's application with three addresses more."""
        app = super().app()
        app.router.add_get("/progress", self._progress)
        app.router.add_get("/verify", self._verify)
        app.router.add_get("/latencies", self._latencies)
        app.router.add_post("/clear", self._clear)
        return app

    async def _progress(self, _: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps([time.monotonic(), self.collection.events, self.collection.requests]))

    async def _verify(self, _: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(self.collection.verify()))

    async def _latencies(self, _: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(self.collection.latencies()))

    async def _clear(self, _: web.Request) -> web.Response:
        self.collection.clear()
        return web.Response()


async def _serve(payload: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Sink(inlet=replace(EXAMPLE, payload=payload)) as sink:
        token = sink.ims.grant(
            {
                "grant_type": "client_credentials",
                "client_id": sink.client_id,
                "client_secret": sink.client_secret,
                "scope": "openid",
            },
            lifetime=86_399,
        )
        print(
            orjson.dumps(
                {"url": sink.url, "environment": sink.environment(), "token": token[1].get("access_token")}
            ).decode(),
            flush=True,
        )
        await stop.wait()


def _warm_up() -> None:
    """Have the memory for a run's bodies before it is measured: a page's first touch costs the sink's core more than taking it in."""
    keep_freed_memory(2 * _BODIES)
    bodies = [b"\1" * (1 << 20) for _ in range(_BODIES >> 20)]
    bodies.clear()


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--raw", action="store_true")
    options = parser.parse_args()
    _warm_up()
    uvloop.run(_serve("raw" if options.raw else "xdm"))


if __name__ == "__main__":
    main()
