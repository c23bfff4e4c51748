"""``sync run``: rows to the route's topic, and the wait until the worker has had each of them accepted or refused.

Only what MoEngage has accepted counts as sent. A run that dies leaves its records in Kafka; the next one finds them there, waits for
them, and sends what the one before had not come to.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bridge.kafka.producer.refusal import RefusedByKafka
from bridge.model.errors import BridgeError
from bridge.routes.syncing.rows_met import RowsMet
from bridge.routes.syncing.sync_plan import attributes_of, where_to_begin
from bridge.routes.syncing.vanishing import vanished_event
from bridge.sources.warehouse import cursors
from bridge.sources.warehouse.comparison import TO_SEND, RowFinding
from bridge.sources.warehouse.marks import GONE, MarkState, Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.model.ports import Publisher
    from bridge.model.record import Record
    from bridge.routes.syncing.kept import Kept
    from bridge.routes.syncing.pulse import Pulse
    from bridge.routes.syncing.run_account import RunAccount
    from bridge.routes.syncing.session import Session
    from bridge.sources.warehouse.rows import Row

_LOOK_SECONDS: Final = 0.5
_SILENT_SECONDS: Final = 15.0
TOO_LARGE: Final = "record_too_large"


class Running:
    """One run of a session's route.

    ``tell`` hears the account and how many rows are under way; ``remark`` hears words about what is odd. ``stop`` ends the run early.
    """

    def __init__(
        self,
        session: Session,
        kept: Kept,
        publisher: Publisher,
        account: RunAccount,
        pulse: Pulse,
        *,
        stop: asyncio.Event,
        tell: Callable[[RunAccount, int], None],
        remark: Callable[[str], None],
    ) -> None:
        self._session = session
        self._kept = kept
        self._publisher = publisher
        self._account = account
        self._pulse = pulse
        self._stop = stop
        self._tell = tell
        self._remark = remark
        self._moved = time.monotonic()
        self._remarked = False
        self.first: Row | None = None
        """The first row that was sent."""

    async def run(self) -> None:
        """Send what is to be sent, and wait for it. ``BridgeError`` ends it; the account says how far it came."""
        account, session = self._account, self._session
        warehouse = session.route.settings.warehouse
        account.under_way_before = session.waiting_before
        since = (
            None if account.full or account.limit is not None else where_to_begin(session.route, self._kept.cursor())
        )
        met = RowsMet(session.source, warehouse, session.comparison, account, since=since, full=account.full)
        try:
            await self._send(met)
            if warehouse.way == "mirror" and met.whole and account.limit is None:
                await self._send_vanished()
            await self._wait()
        except Exception as error:
            # Of an error of its own only the type is told: its message may quote a row.
            account.end = "failed"
            account.error = str(error) if isinstance(error, BridgeError) else f"unexpected {type(error).__name__}"
            raise
        except BaseException:
            account.end = "stopped"
            raise
        finally:
            await self._finish(met)

    async def _finish(self, met: RowsMet) -> None:
        account = self._account
        account.ended = account.beat = datetime.now(UTC)
        if account.end == "running":
            account.end = "stopped" if self._stop.is_set() else "done"
        cursor = None
        if account.end == "done" and met.whole and not account.unaccounted and met.newest is not None:
            # Rows that were refused are found again by their keys.
            newest = cursors.later(self._kept.cursor(), met.newest)
            cursor = cursors.not_after(newest, account.started, self._session.route.settings.warehouse.zone)
        await self._kept.finish(account, cursor)

    async def _send(self, met: RowsMet) -> None:
        account = self._account
        async for rows in self._session.each(met.batches()):
            chosen = [row for row, finding in rows if finding in TO_SEND]
            if account.limit is not None:
                chosen = self._within_limit(chosen, rows)
            await self._publish(
                [Sent(row.key, row.hash, account.run) for row in chosen],
                [self._record(row) for row in chosen],
            )
            self.first = self.first or next(iter(chosen), None)
            await self._follow()
            if self._stop.is_set() or (account.limit is not None and account.sent >= account.limit):
                return

    def _within_limit(self, chosen: list[Row], rows: Sequence[tuple[Row, RowFinding]]) -> list[Row]:
        """As many as are left of the limit; where nothing has changed, rows as they are, since a test is to show something."""
        left = (self._account.limit or 0) - self._account.sent
        if not chosen and self._session.route.settings.warehouse.way != "insert":
            chosen = [row for row, finding in rows if finding is RowFinding.UNCHANGED]
        return chosen[:left]

    def _record(self, row: Row) -> Record:
        sent = Sent(row.key, row.hash, self._account.run)
        return (row.customer or row.key).encode(), row.value, sent.headers()

    async def _send_vanished(self) -> None:
        session, account = self._session, self._account
        settings = session.route.settings.warehouse
        vanished, everything = await session.call(session.comparison.count_vanished)
        if vanished > settings.vanished_share * everything:
            account.held_back = vanished
            self._remark(
                f"{vanished:,} of {everything:,} rows have vanished, more than BRIDGE_WAREHOUSE__VANISHED_SHARE allows: MoEngage"
                " is not told of them"
            )
            return
        attributes = attributes_of(session.route)
        async for page in session.each(session.comparison.vanished()):
            sent = [Sent(key, GONE, account.run) for key, _ in page]
            records: list[Record] = [
                (customer.encode(), vanished_event(key, customer, settings, attributes, account.started), one.headers())
                for (key, customer), one in zip(page, sent, strict=True)
            ]
            account.vanished += len(page)
            await self._publish(sent, records)
            await self._follow()
            if self._stop.is_set():
                return

    async def _publish(self, sent: Sequence[Sent], records: Sequence[Record]) -> None:
        if not records:
            return
        self._pulse.check()
        session, account = self._session, self._account
        await session.call(session.comparison.under_way, sent)
        try:
            await self._publisher.publish(records)
        except RefusedByKafka as refusal:
            keys = [sent[one.number].key for one in refusal.refused]
            await session.call(session.comparison.not_sent, keys)
            account.invalid[TOO_LARGE] += len(keys)
            account.sent -= len(keys)
        account.sent += len(sent)
        self._moved = time.monotonic()

    async def _follow(self) -> None:
        ended = await self._session.follow()
        if ended:
            self._moved = time.monotonic()
            self._remarked = False
        self._count()
        self._tell(self._account, self._session.comparison.open)

    def _count(self) -> None:
        account, ended = self._account, self._session.comparison.ended
        account.accepted = ended[MarkState.ACCEPTED, ""]
        account.refused.clear()
        account.left_out.clear()
        for (state, code), count in ended.items():
            if state == MarkState.REFUSED:
                account.refused[code] += count
            elif state == MarkState.LEFT_OUT:
                account.left_out[code] += count

    async def _wait(self) -> None:
        """Until every row that is under way is marked, or nothing of it is in Kafka any more."""
        session = self._session
        while session.comparison.open and not self._stop.is_set():
            spans = await session.under_way.spans()
            await self._follow()
            if not session.comparison.open:
                return
            if not any(span.records for span in spans.values()):
                # Acknowledged before its marks were read: what has none now never gets one.
                self._account.unaccounted = session.comparison.open
                self._remark(
                    f"{session.comparison.open:,} rows were deleted from the topic before they were delivered (retention?);"
                    " the next run sends them again"
                )
                return
            self._remark_silence()
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._stop.wait()
            except TimeoutError:
                continue

    def _remark_silence(self) -> None:
        if not self._remarked and time.monotonic() - self._moved > _SILENT_SECONDS:
            self._remarked = True
            self._remark(
                f"{self._session.comparison.open:,} rows wait, and none has been delivered for {_SILENT_SECONDS:g} s: is a worker"
                f" of route {self._session.route.name} running? aep-bridge status shows what holds it"
            )
