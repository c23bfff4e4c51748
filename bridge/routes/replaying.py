"""Sends delivered records of a route's topic once more: which ones, in which order, and how far that has come.

A state of a customer (a profile, a row of users) that is sent late would overwrite a newer one. So of such routes only the newest
record of each customer is sent, and none where a newer one lies behind the range: that one is delivered already, or comes anyway.
Events are all sent. What is a dead letter stays: it was not delivered, and ``deadletters replay`` sends it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bridge.kafka.producer.refusal import RefusedByKafka
from bridge.kafka.replaying.range_marks import RangeMark, copy_headers, is_copy
from bridge.kafka.replaying.replay_topic import PAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bridge.kafka.replaying.range_marks import ReplayAsked
    from bridge.kafka.replaying.replay_topic import ReplayTopic, TopicSpan
    from bridge.model.ports import Publisher
    from bridge.model.record import Record
    from bridge.routes.record_choice import RecordChoice
    from bridge.settings import Route

_DAY_MS: Final = 86_400_000
REPLACED: Final = "replaced by a newer record of the customer"
TOO_LARGE: Final = "refused by the topic"


@dataclass(slots=True)
class ReplayPlan:
    """What would be sent: records by day (number since 1970) and event code, why others stay, and by partition where they lie.

    ``marks``: how far it has come; ``before``: records that were sent already. ``newest``: whose newest state lies where.
    """

    spans: Mapping[int, TopicSpan]
    marks: dict[int, RangeMark]
    begun: bool
    by_code: Counter[tuple[int, str]] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    newest: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)
    looked: dict[int, int] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """How many would be sent."""
        return self.by_code.total()

    @property
    def before(self) -> int:
        """How many were sent before."""
        return sum(mark.sent for mark in self.marks.values())

    @property
    def waiting(self) -> int:
        """Records of the range that are not delivered yet: they come anyway."""
        return sum(span.waiting for span in self.spans.values())

    @property
    def held_since(self) -> int | None:
        """The time from which on every partition holds its records, where earlier ones of the range were deleted."""
        return max((span.held_since for span in self.spans.values() if span.held_since is not None), default=None)


@dataclass(slots=True)
class ReplayDone:
    """What was sent, and why others stayed. ``complete``: the range was gone through to its end."""

    sent: int = 0
    left: Counter[str] = field(default_factory=Counter)
    complete: bool = False
    seconds: float = 0.0


class TopicReplay:
    """One replay: planned, and then sent.

    ``tell`` takes words about what is being done and how many records are done of how many. ``clock`` and ``sleep`` are those of
    the pace, in seconds. ``stopped``: whether to end after the page that is under way.
    """

    def __init__(
        self,
        route: Route,
        topic: ReplayTopic,
        asked: ReplayAsked,
        choice: RecordChoice,
        *,
        tell: Callable[[str, int, int], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._kafka = route.settings.kafka
        self._topic = topic
        self._asked = asked
        self._choice = choice
        self._tell = tell
        self._clock = clock
        self._sleep = sleep
        self._stopped = stopped

    async def plan(self, *, again: bool = False, by_code: bool = True) -> ReplayPlan:
        """Count what would be sent; nothing is written. ``again``: also what it has sent before. Raises ``KafkaError``.

        Without ``by_code`` records are counted by day alone, which is faster. Stopped, it gives what it has: not to be sent.
        """
        spans = await self._topic.spans()
        marks = {} if again else await self._topic.marks()
        plan = ReplayPlan(
            spans, {n: marks.get(n, RangeMark(span.start, span.end)) for n, span in spans.items()}, bool(marks)
        )
        await self._find_newest(plan)
        total = sum(max(0, mark.end - mark.upto) for mark in plan.marks.values())
        seen = 0
        for partition, mark in plan.marks.items():
            async for page in self._topic.pages(partition, self._from(plan, partition), mark.end):
                seen += len(page)
                for record in page:
                    if (why := self._why_left(plan, record)) is not None:
                        plan.left[why] += 1
                    else:
                        code = self._choice.codes(record)[0] if by_code else ""
                        plan.by_code[record.timestamp // _DAY_MS, code] += 1
                self._tell("counting", seen, total)
                if self._stopped():
                    return plan
        return plan

    @staticmethod
    def _from(plan: ReplayPlan, partition: int) -> int:
        """What retention has deleted since is not there to be read."""
        return max(plan.marks[partition].upto, plan.spans[partition].start)

    async def _find_newest(self, plan: ReplayPlan) -> None:
        """Of each customer with a state in the range, its newest state to the end of the topic."""
        if not self._asked.newest:
            return
        for partition, span in plan.spans.items():
            async for page in self._topic.pages(partition, span.start, span.log_end):
                self._note_newest(plan, page)
                self._tell(
                    "looking for the newest record of each customer",
                    page[-1].offset - span.start,
                    span.log_end - span.start,
                )
                if self._stopped():
                    return
            plan.looked[partition] = max(span.start, span.log_end)

    def _note_newest(self, plan: ReplayPlan, page: Sequence[Any]) -> None:
        for record in page:
            # A copy is no news; with them it is the copies that are sent.
            if is_copy(record.headers or ()) and not self._counts_as_copy(plan, record):
                continue
            customer = self._choice.customer(record)
            if customer is None or self._choice.is_refused(record):
                continue
            place = (record.timestamp, record.partition, record.offset)
            known = plan.newest.get(customer)
            # Who is met behind the range alone need not be remembered.
            if known is not None or record.offset < plan.marks[record.partition].end:
                plan.newest[customer] = place if known is None else max(place, known)

    def _counts_as_copy(self, plan: ReplayPlan, record: Any) -> bool:
        """A copy within the range, where copies are asked for; what this replay writes itself lies behind it."""
        return self._asked.copies and record.offset < plan.marks[record.partition].end

    def _why_left(self, plan: ReplayPlan, record: Any) -> str | None:
        if (why := self._choice.why_left(record)) is not None:
            return why
        customer = self._choice.customer(record)
        if customer is not None and plan.newest.get(customer, (0, 0, 0))[1:] != (record.partition, record.offset):
            return REPLACED
        return None

    async def send(
        self,
        plan: ReplayPlan,
        publisher: Publisher,
        *,
        most: int | None = None,
        per_second: float | None = None,
    ) -> ReplayDone:
        """Write the copies, ``most`` at most, ``per_second`` at most. A mark is kept behind each page. Raises ``KafkaError``."""
        done = ReplayDone()
        begun = self._clock()
        if not plan.begun:
            await self._topic.keep(plan.marks)
        size = PAGE if per_second is None else max(1, min(PAGE, int(per_second)))
        for partition in list(plan.marks):
            async for page in self._topic.pages(
                partition, self._from(plan, partition), plan.marks[partition].end, most=size
            ):
                if self._stopped() or (most is not None and done.sent >= most):
                    done.seconds = self._clock() - begun
                    return done
                await self._look_behind(plan, partition)
                await self._send_page(plan, publisher, page, done, most=most)
                self._tell("sending", done.sent, plan.records)
                if per_second is not None:
                    await self._sleep(max(0.0, done.sent / per_second - (self._clock() - begun)))
            mark = plan.marks[partition]
            if mark.is_open and not (most is not None and done.sent >= most):
                # It ends without a record: with markers of transactions, or all of it was deleted.
                plan.marks[partition] = mark.moved(mark.end, 0)
                await self._topic.keep({partition: plan.marks[partition]})
        done.complete = not any(mark.is_open for mark in plan.marks.values())
        done.seconds = self._clock() - begun
        return done

    async def _look_behind(self, plan: ReplayPlan, partition: int) -> None:
        """Customers may have changed since the last look."""
        if self._asked.newest:
            added, plan.looked[partition] = await self._topic.added(partition, plan.looked[partition])
            self._note_newest(plan, added)

    async def _send_page(
        self,
        plan: ReplayPlan,
        publisher: Publisher,
        page: Sequence[Any],
        done: ReplayDone,
        *,
        most: int | None,
    ) -> None:
        partition: int = page[0].partition
        chosen: list[Record] = []
        upto = plan.marks[partition].upto
        for record in page:
            if most is not None and done.sent + len(chosen) >= most:
                break
            upto = record.offset + 1
            if (why := self._why_left(plan, record)) is not None:
                done.left[why] += 1
                continue
            chosen.append((record.key, record.value, copy_headers(record.headers or (), partition, record.offset)))
        sent = len(chosen)
        if chosen:
            try:
                await publisher.publish(chosen, topic=self._kafka.topic)
            except RefusedByKafka as refusal:
                sent -= len(refusal.refused)
                done.left[TOO_LARGE] += len(refusal.refused)
        done.sent += sent
        plan.marks[partition] = plan.marks[partition].moved(upto, sent)
        await self._topic.keep({partition: plan.marks[partition]})
