"""The receiver of all posting routes, put together: an endpoint and a store for each, one port, one health."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import structlog

from bridge.kafka.producer.publisher import KafkaPublisher
from bridge.model.errors import BridgeError
from bridge.routes.kinds import open_decoder
from bridge.routes.receiving import own_path, paths, posting_of
from bridge.settings import variable
from bridge.sources.http.body import BodyMemory
from bridge.sources.http.endpoint import Receiver
from bridge.sources.http.listener import tell_open
from bridge.sources.http.reception import Reception
from bridge.telemetry.health import Health
from bridge.telemetry.metrics import Metrics, ReceptionMetrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.settings import ReceiverSettings, Route

_log = structlog.get_logger(__name__)


class Stores:
    """A publisher for each route: its brokers, its topics, and its troubles. They connect while entered."""

    def __init__(self, publishers: Mapping[str, KafkaPublisher]) -> None:
        self._publishers = publishers
        self._why: dict[str, str] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for name, publisher in self._publishers.items():
            # The task that connects has this context for all of its log lines.
            with structlog.contextvars.bound_contextvars(**({"route": name} if len(self._publishers) > 1 else {})):
                await self._stack.enter_async_context(publisher)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def connected(self) -> None:
        """Return once every route has a connection, or is given up; raises ``BridgeError`` when all are.

        A missing topic, or one that would lose events, ends a route's attempts: its requests are answered 503, the others go on.
        """
        failures = await asyncio.gather(*(self._connected(name) for name in self._publishers))
        if all(failures):
            raise next(error for error in failures if error is not None)

    def trouble(self, name: str) -> str | None:
        """Why a route's events cannot be stored currently, if it has no connection."""
        trouble = self._publishers[name].trouble
        return trouble and self._why.get(name, trouble)

    async def _connected(self, name: str) -> BridgeError | None:
        try:
            await self._publishers[name].connected()
        except BridgeError as error:
            if len(self._publishers) > 1:
                self._why[name] = f"given up: {error}"
                _log.error(
                    "route_given_up",
                    detail="Its requests are answered 503 until the cause is repaired and the receiver is restarted.",
                    route=name,
                    why=str(error),
                    hint=error.hint,
                )
            return error
        return None


@dataclass(frozen=True, slots=True)
class Opened:
    """What a receiver consists of, but for the sockets."""

    stores: Stores
    endpoint: Receiver | Reception
    metrics: Metrics | ReceptionMetrics
    health: Health


def in_flight_bytes(settings: ReceiverSettings, routes: int) -> int:
    """One route's part of the memory for bodies, which the brokers of another must not fill; a body has room in any part."""
    return max(settings.max_body_bytes, settings.max_in_flight_bytes // routes)


def open_reception(routes: Sequence[Route]) -> Opened:
    """One endpoint where there is one route that was never given a name of its own, else one by path for each route."""
    publishers = {route.name: KafkaPublisher(route.settings.kafka, route=route.name) for route in routes}
    stores, health = Stores(publishers), Health()
    if len(routes) == 1 and not routes[0].declared:
        (route,) = routes
        metrics = Metrics(route.name)
        receiver = Receiver(
            route.settings.receiver, publishers[route.name], metrics, posting_of(route), open_decoder(route)
        )
        health.watch("kafka", lambda: stores.trouble(route.name))
        health.watch("receiver", receiver.trouble)
        return Opened(stores, receiver, metrics, health)
    all_metrics = ReceptionMetrics(route.name for route in routes)
    parsing, in_flight = asyncio.Semaphore(1), in_flight_bytes(routes[0].settings.receiver, len(routes))
    by_path = paths(routes)
    receivers: dict[str, Receiver] = {}
    for route in routes:
        own = own_path(route, by_path)
        receiver = receivers[route.name] = Receiver(
            route.settings.receiver,
            publishers[route.name],
            all_metrics.of_route[route.name],
            posting_of(route),
            open_decoder(route),
            path=own,
            named=True,
            budget=BodyMemory(in_flight),
            parsing=parsing,
        )
        health.watch_route(route.name, "kafka", lambda name=route.name: stores.trouble(name))  # type: ignore[misc]
        health.watch_route(route.name, "receiver", receiver.trouble)
        all_metrics.ready.labels(route.name).set_function(
            lambda name=route.name: float(health.route_is_well(name))  # type: ignore[misc]
        )
        tell_open(route.settings.receiver, f"set {route.named(variable('receiver', 'auth'))} to basic or header")
    postings = tuple(dict.fromkeys(map(posting_of, routes)))
    endpoint = Reception({path: receivers[name] for path, name in by_path.items()}, all_metrics.of_none, postings)
    return Opened(stores, endpoint, all_metrics, health)
