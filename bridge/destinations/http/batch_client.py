"""Posts batches of events to a destination, and measures each request: its events, bytes, time and status."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bridge.destinations.http.exchange import NoReply, open_client, post

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx
    from prometheus_client import Counter

    from bridge.destinations.http.exchange import Reply
    from bridge.telemetry.metrics import Metrics


class BatchClient:
    """Connections of one destination, opened with the first batch; ``most_bytes`` bounds an answer."""

    def __init__(self, metrics: Metrics, *, connections: int, timeout_seconds: float, most_bytes: int) -> None:
        self._metrics = metrics
        self._connections = connections
        self._timeout = timeout_seconds
        self._most_bytes = most_bytes
        self._client: httpx.AsyncClient | None = None
        self._by_status: dict[str, Counter] = {}

    async def post_batch(self, url: httpx.URL, body: bytes, events: int, headers: Mapping[str, str]) -> Reply | NoReply:
        """POST ``events`` events in one body. Raises nothing but cancellation."""
        if self._client is None:
            self._client = open_client(connections=self._connections, timeout_seconds=self._timeout)
        metrics = self._metrics
        metrics.delivery_batch_events.observe(events)
        metrics.delivery_batch_bytes.observe(len(body))
        began = time.perf_counter()
        reply = await post(
            self._client,
            url,
            body=body,
            headers=headers,
            timeout_seconds=self._timeout,
            most_bytes=self._most_bytes,
        )
        metrics.delivery_seconds.observe(time.perf_counter() - began)
        self._count(reply.kind if isinstance(reply, NoReply) else str(reply.status))
        return reply

    async def ask(self, url: httpx.URL, body: bytes, headers: Mapping[str, str]) -> Reply | NoReply | None:
        """POST a question over the open connections, which no metric counts; None where there are none."""
        if self._client is None:
            return None
        return await post(
            self._client,
            url,
            body=body,
            headers=headers,
            timeout_seconds=self._timeout,
            most_bytes=self._most_bytes,
        )

    async def aclose(self) -> None:
        """Close connections; requests under way end without a reply."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _count(self, status: str) -> None:
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._metrics.delivery_requests.labels(status)
        counter.inc()
