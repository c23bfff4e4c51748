"""Reads the exports of an address of object storage into a route's topic, and keeps in Kafka how far each was read.

The mark of an object is written after Kafka has confirmed its events. Killed between the two, a run reads some of them again,
which harms nothing: an event has the same ``_id`` every time.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from bridge.model.errors import KafkaError
from bridge.routes.read_marks import ReadMark
from bridge.sources.moengage.export_files import DECRYPT, InputError
from bridge.sources.moengage.export_filling import Tally, fill
from bridge.sources.moengage.object_storage import Bucket, BucketError, Listing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from bridge.model.dead_letter import DeadLetter
    from bridge.model.ports import EventStore
    from bridge.routes.read_marks import ReadMarks
    from bridge.sources.moengage.export_names import ExportTimes
    from bridge.sources.moengage.object_storage import ObjectFound

_T = TypeVar("_T")
_MARK_SECONDS: Final = 2.0
_MARK_LINES: Final = 20_000
"""When the place within a long object is kept, whichever comes first."""
_PATIENCE_SECONDS: Final = 60.0


@dataclass(slots=True)
class AddressAccount:
    """What became of one address: objects found and read, their events, and what could not be read, with the reason.

    ``before``: objects that an earlier run had read. ``remarks``: what else there is to say.
    """

    url: str
    found: int = 0
    before: int = 0
    read: int = 0
    lines: int = 0
    events: int = 0
    stored: int = 0
    refused: int = 0
    encrypted: int = 0
    others: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    is_listed: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every export of the address is read."""
        return self.is_listed and self.found == self.before + self.read and not self.encrypted


class Watching(Protocol):
    """Who is told how it goes."""

    def listed(self, account: AddressAccount, size: int) -> None:
        """``size`` bytes are to be read."""
        ...

    def reading(self, tally: Tally) -> None:
        """Some more of an object is read."""
        ...

    def refused(self, name: str, line: int, letter: DeadLetter) -> None:
        """A line is no event."""
        ...


class ObjectBackfill:
    """Reads addresses, one after the other, as often as it is asked to. Without ``store`` and ``marks`` it only counts.

    ``again``: also what was read before. ``stopped`` ends it between objects, or at a line up to which everything is confirmed.
    """

    def __init__(
        self,
        store: EventStore | None,
        marks: ReadMarks | None,
        *,
        route: str,
        keep_refused: bool,
        again: bool,
        now: Callable[[], datetime],
        stopped: Callable[[], bool],
        watching: Watching,
    ) -> None:
        self._store = store
        self._marks = marks
        self._route = route
        self._keep_refused = keep_refused
        self._again = again
        self._now = now
        self._stopped = stopped
        self._watching = watching
        self._seen: set[tuple[str, str]] = set()
        self._damaged: dict[tuple[str, str], str] = {}

    async def read(self, account: AddressAccount, times: ExportTimes) -> None:
        """Read what is new at the address of the account. Raises ``BridgeError`` when bucket or Kafka cannot be used."""
        bucket = Bucket(account.url)
        listing = Listing()
        left = await _in_thread(lambda: self._left(bucket, times, listing, account), self._stopped)
        if left is None or self._stopped():
            return
        account.is_listed = True
        account.encrypted, account.others = listing.encrypted, listing.others
        if listing.encrypted:
            account.remarks.append(
                f"{listing.encrypted} objects are encrypted with PGP ({listing.example_encrypted}): {DECRYPT};"
                " or turn the encryption of the export off in MoEngage"
            )
        if listing.others:
            account.remarks.append(
                f"{listing.others} objects do not look like exports by their names ({listing.example_other}): name one by itself to read it"
            )
        self._watching.listed(account, sum(one.size for one in left))
        for one in left:
            if self._stopped():
                return
            try:
                await self._read_one(bucket, one, account)
            except (BucketError, KafkaError):
                raise
            except InputError as error:
                account.failed[one.url] = str(error)
                self._damaged[one.url, one.version] = str(error)

    def _left(self, bucket: Bucket, times: ExportTimes, listing: Listing, account: AddressAccount) -> list[ObjectFound]:
        left = []
        for one in bucket.find(times, listing, self._stopped):
            account.found += 1
            if self._is_read(one):
                account.before += 1
            elif damage := self._damaged.get((one.url, one.version)):
                # It does not mend; a new version would.
                account.failed[one.url] = damage
            else:
                left.append(one)
        return left

    def _is_read(self, one: ObjectFound) -> bool:
        if (one.url, one.version) in self._seen:
            return True
        mark = None if self._marks is None or self._again else self._marks.mark_of(one.url, one.version)
        return mark is not None and mark.is_whole

    async def _read_one(self, bucket: Bucket, one: ObjectFound, account: AddressAccount) -> None:
        marks, tally = self._marks, Tally(one.url)
        mark = None if marks is None or self._again else marks.mark_of(one.url, one.version)
        begun = 0 if mark is None else mark.line
        kept, kept_line = time.monotonic(), begun

        async def confirmed() -> None:
            nonlocal kept, kept_line
            line = max(begun, tally.stored_line)
            if time.monotonic() - kept >= _MARK_SECONDS or line - kept_line >= _MARK_LINES:
                await self._keep(one, ReadMark(one.version, line, is_whole=False))
                kept, kept_line = time.monotonic(), line

        def stopped() -> bool:
            self._watching.reading(tally)
            return self._stopped()

        export = bucket.open(one)
        try:
            await fill(
                export,
                tally,
                self._store,
                now=self._now,
                from_line=begun + 1,
                keep_refused=self._keep_refused,
                route=self._route,
                refused=lambda line, letter: self._watching.refused(one.url, line, letter),
                stopped=stopped,
                confirmed=confirmed,
                patience_seconds=_PATIENCE_SECONDS,
            )
        finally:
            export.close()
            account.lines += max(0, tally.line - begun)
            account.events += tally.events
            account.stored += tally.stored
            account.refused += tally.refused
            self._watching.reading(tally)
        if marks is not None:
            await self._keep(one, ReadMark(one.version, max(begun, tally.stored_line), is_whole=tally.complete))
        if tally.complete:
            account.read += 1
            self._seen.add((one.url, one.version))

    async def _keep(self, one: ObjectFound, mark: ReadMark) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._marks is not None:
            try:
                await self._marks.write(one.url, mark)
            except KafkaError as error:
                if time.monotonic() >= deadline or self._stopped():
                    raise KafkaError(
                        f"{one.url} is stored up to line {mark.line}, but its mark could not be stored: {error}",
                        hint="run again: part of it is read a second time, which is harmless",
                    ) from error
                await asyncio.sleep(1)
            else:
                return


async def _in_thread(work: Callable[[], _T], stopped: Callable[[], bool]) -> _T | None:
    """What ``work`` gives, or None when it is stopped before: a request that hangs holds up nothing."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def tell(value: Any, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(value)
        else:
            done.set_exception(error)

    def run() -> None:
        value, error = None, None
        try:
            value = work()
        except BaseException as problem:  # noqa: BLE001 - it is raised where the work is waited for
            error = problem
        # The loop is gone where nobody waits any more.
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, value, error)

    threading.Thread(target=run, name="listing", daemon=True).start()
    while not done.done():
        if stopped():
            done.cancel()
            return None
        await asyncio.wait((done,), timeout=0.2)
    return done.result()  # type: ignore[no-any-return]
