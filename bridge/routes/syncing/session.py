"""What a plan and a run stand on: rows as MoEngage has accepted them, and what of runs before still waits in Kafka, in one comparison.

The order matters. What waits is read before the marks are: a row that is accepted in between is then taken for accepted, and one whose
record is acknowledged has its mark before, as the worker commits only afterwards.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bridge.kafka.route_state.state_log import state_topic
from bridge.kafka.route_state.state_reader import StateReader
from bridge.kafka.route_state.under_way import UnderWay
from bridge.kafka.topics import TopicMissing, ensure_topics
from bridge.model.errors import BridgeError
from bridge.sources.warehouse.comparison import Comparison
from bridge.sources.warehouse.databases.opening import open_source
from bridge.sources.warehouse.marks import sent_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import TypeVar

    from bridge.kafka.route_state.under_way import Span
    from bridge.settings import Route
    from bridge.sources.warehouse.databases.reading import RowSource

    T = TypeVar("T")

_END: Final = object()


@dataclass(slots=True)
class Session:
    """One look at a route. ``positions``: how far the marks are read, by partition. ``call`` runs in the one thread of the comparison."""

    route: Route
    source: RowSource
    comparison: Comparison
    under_way: UnderWay
    marks: StateReader | None
    thread: ThreadPoolExecutor
    positions: dict[int, int] = field(default_factory=dict)
    waiting_before: int = 0

    async def call(self, work: Callable[..., T], *given: Any, **named: Any) -> T:
        """Give what ``work`` gives, out of the thread that owns database and comparison."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, lambda: work(*given, **named))

    async def each(self, pages: Iterator[T]) -> AsyncIterator[T]:
        """The items of an iterator that lives in that thread."""
        while (item := await self.call(next, pages, _END)) is not _END:
            yield item

    async def follow(self) -> int:
        """Take the marks that were written since; how many rows that were under way they ended."""
        if self.marks is None:
            return 0
        ended = 0
        async for batch in self.marks.read(self.positions):
            self.positions[batch.partition] = batch.next_offset
            ended += await self.call(self.comparison.marked, batch.entries)
        return ended

    async def _load(self) -> None:
        spans: dict[int, Span] = await self.under_way.spans()
        async for page in self.under_way.headers(spans):
            sent = [one for headers in page if (one := sent_of(headers)) is not None]
            await self.call(self.comparison.under_way, sent)
        if self.marks is not None:
            self.positions = dict.fromkeys(range(self.marks.partitions), 0)
            await self.follow()
        self.waiting_before = self.comparison.open
        self.comparison.ended.clear()


@asynccontextmanager
async def opened(route: Route, given_up: dict[str, str] | None = None) -> AsyncIterator[Session]:
    """A session with everything read that is known of the route's rows. Raises ``BridgeError``."""
    warehouse, kafka = route.settings.warehouse, route.settings.kafka
    if not warehouse.key:
        raise BridgeError("BRIDGE_WAREHOUSE__KEY is not set", hint="name the column whose value is unique to each row")
    thread = ThreadPoolExecutor(1, thread_name_prefix="sync")
    source = open_source(warehouse)
    try:
        with Comparison(warehouse.work_dir, once=warehouse.way == "insert", given_up=given_up) as comparison:
            async with UnderWay(kafka) as under_way:
                name = state_topic(kafka, route.name)
                try:
                    await ensure_topics(kafka, create=False, topics=[name])
                except TopicMissing:
                    # No worker has run yet, so nothing has been accepted.
                    session = Session(route, source, comparison, under_way, None, thread)
                    await session._load()  # noqa: SLF001 - its own
                    yield session
                    return
                async with StateReader(kafka, name) as marks:
                    session = Session(route, source, comparison, under_way, marks, thread)
                    await session._load()  # noqa: SLF001 - its own
                    yield session
    finally:
        thread.submit(source.close).result()
        thread.shutdown(wait=True)
