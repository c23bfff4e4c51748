"""One run of ``aep-bridge backfill`` over all files and addresses, once or again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.cli.app import plain, words
from bridge.cli.backfill_screen import BackfillScreen

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Sequence
    from datetime import datetime, timedelta

    from rich.progress import Progress

    from bridge.cli.backfill_telemetry import BackfillTelemetry
    from bridge.kafka.producer.publisher import KafkaPublisher
    from bridge.model.dead_letter import DeadLetter
    from bridge.model.errors import BridgeError
    from bridge.routes.backfilling import AddressAccount, ObjectBackfill
    from bridge.routes.read_marks import ReadMarks
    from bridge.settings import Settings
    from bridge.sources.moengage.export_filling import Tally

_TOLD = 20
"""Refused lines that are named one by one; the rest is counted."""


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Wait for ``work``, or leave it as soon as ``stop`` is set."""
    import asyncio

    both = (asyncio.ensure_future(work), asyncio.ensure_future(stop.wait()))
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if both[0].done():
            both[0].result()
    finally:
        for one in both:
            one.cancel()


class BackfillRun:
    """One run over all files and addresses, and what it tells."""

    def __init__(
        self,
        files: Sequence[str],
        *,
        from_line: int,
        keep_refused: bool | None,
        dry_run: bool,
        as_json: bool,
        route: str,
        times: Any = None,
        again: bool = False,
        watch: float | None = None,
        look_back: int = 2,
        telemetry_port: int | None = None,
    ) -> None:
        from bridge.sources.moengage.export_names import ExportTimes

        self._files = files
        self._from_line = from_line
        self._keep_refused = keep_refused
        self._dry_run = dry_run
        self._as_json = as_json
        self._route = route
        self._times = times or ExportTimes()
        self._again = again
        self._watch = watch
        self._look_back = look_back
        self._telemetry_port = telemetry_port
        self._telemetry: BackfillTelemetry | None = None
        self._tallies: list[Tally] = []
        self._addresses: list[AddressAccount] = []
        self._told = 0

    async def run(self, settings: Settings, stop: asyncio.Event) -> int:
        """Gives the exit code."""
        from bridge.model.errors import BridgeError

        error: BridgeError | None = None
        try:
            if self._watch is None or self._telemetry_port is None:
                return await self._read_all(settings, stop)
            from bridge.cli.backfill_telemetry import BackfillTelemetry

            self._telemetry = BackfillTelemetry(self._route, self._watch)
            async with self._telemetry.served(settings.telemetry, self._telemetry_port):
                return await self._read_all(settings, stop)
        except BridgeError as problem:
            error = problem
        return self._account(error)

    async def _read_all(self, settings: Settings, stop: asyncio.Event) -> int:
        from bridge.kafka.producer.publisher import KafkaPublisher

        self._look_at_names()
        if self._dry_run:
            return await self._rounds(None, None, stop)
        async with KafkaPublisher(settings.kafka, route=self._route) as publisher:
            await _unless(stop, publisher.connected(settings.kafka.request_timeout_seconds))
            marks = None if stop.is_set() else await self._marks(settings, publisher)
            return await self._rounds(publisher, marks, stop)

    def _look_at_names(self) -> None:
        """Raise for what cannot be read before anything is."""
        from bridge.sources.moengage.export_files import STDIN, Export
        from bridge.sources.moengage.export_names import is_url

        for name in self._files:
            if is_url(name):
                from bridge.sources.moengage.object_storage import Bucket

                Bucket(name)
            elif name != STDIN:
                Export(name).close()

    async def _marks(self, settings: Settings, publisher: KafkaPublisher) -> ReadMarks | None:
        from bridge.kafka.state_topic import StateTopic
        from bridge.routes.read_marks import ReadMarks
        from bridge.sources.moengage.export_names import is_url

        if not any(map(is_url, self._files)):
            return None
        marks = ReadMarks(StateTopic(settings.kafka, publisher), self._route)
        await marks.open()
        return marks

    async def _rounds(self, publisher: KafkaPublisher | None, marks: ReadMarks | None, stop: asyncio.Event) -> int:
        """Read everything once, or with --watch again and again; an error of a later time is told, and tried again."""
        import asyncio
        from datetime import UTC, datetime, timedelta

        from bridge.model.errors import BridgeError

        backfills = self._object_backfill(publisher, marks, stop)
        times, first = self._times, True
        while True:
            error: BridgeError | None = None
            try:
                await self._read(publisher, backfills, times, stop)
            except BridgeError as problem:
                error = problem
            if self._telemetry is not None:
                self._telemetry.looked(self._addresses, error)
            if self._watch is None or (error and first):
                return self._account(error)
            if first or error or any(one.read or one.failed for one in self._addresses):
                self._account(error)
            first = False
            if not stop.is_set():
                wait = self._watch if error is None else min(self._watch, 60.0)
                try:
                    async with asyncio.timeout(wait):
                        await stop.wait()
                except TimeoutError:
                    pass
            if stop.is_set():
                return 1 if error else 0
            if error is None:
                times = _within(self._times, datetime.now(UTC), timedelta(days=self._look_back))

    def _object_backfill(
        self, publisher: KafkaPublisher | None, marks: ReadMarks | None, stop: asyncio.Event
    ) -> ObjectBackfill | None:
        from datetime import UTC, datetime

        from bridge.sources.moengage.export_names import is_url

        if not any(map(is_url, self._files)):
            return None
        from bridge.routes.backfilling import ObjectBackfill

        self._screen = BackfillScreen(self.refused, None if self._telemetry is None else self._telemetry.reading)
        return ObjectBackfill(
            publisher,
            marks,
            route=self._route,
            keep_refused=self._keep_refused is not False,
            again=self._again,
            now=lambda: datetime.now(UTC),
            stopped=stop.is_set,
            watching=self._screen,
        )

    async def _read(
        self, publisher: KafkaPublisher | None, objects: ObjectBackfill | None, times: Any, stop: asyncio.Event
    ) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        from bridge.sources.moengage.export_names import is_url

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._tallies, self._addresses = [], []
        with Progress(*columns, console=words, transient=True, disable=not words.is_terminal) as screen:
            for index, name in enumerate(self._files):
                if stop.is_set():
                    return
                if objects is not None and is_url(name):
                    from bridge.routes.backfilling import AddressAccount

                    account = AddressAccount(name)
                    self._addresses.append(account)
                    self._screen.begin(screen, screen.add_task(name, total=None, told="listing"))
                    await objects.read(account, times)
                else:
                    await self._read_file(name, publisher, self._from_line if index == 0 else 1, screen, stop)

    async def _read_file(
        self, name: str, publisher: KafkaPublisher | None, from_line: int, screen: Progress, stop: asyncio.Event
    ) -> None:
        from datetime import UTC, datetime

        from bridge.sources.moengage.export_files import Export
        from bridge.sources.moengage.export_filling import Tally, fill

        export, tally = Export(name), Tally(name)
        self._tallies.append(tally)
        task = screen.add_task(name, total=export.size, told="")

        def stopped() -> bool:
            screen.update(task, completed=tally.position, told=f"{tally.events:,} events, line {tally.line:,}")
            return stop.is_set()

        try:
            await fill(
                export,
                tally,
                publisher,
                now=lambda: datetime.now(UTC),
                from_line=from_line,
                keep_refused=bool(self._keep_refused),
                route=self._route,
                refused=lambda line, letter: self.refused(name, line, letter),
                stopped=stopped,
            )
        finally:
            export.close()

    def refused(self, name: str, line: int, letter: DeadLetter) -> None:
        """Tell of a line that is no event."""
        self._told += 1
        if self._told <= _TOLD:
            words.print(plain(f"{name}, line {line}: {letter.reason} ({letter.code})"), soft_wrap=True)
        elif self._told == _TOLD + 1:
            words.print("more lines are refused; the counts at the end include them")

    def _account(self, error: BridgeError | None) -> int:
        from bridge.cli.backfill_account import BackfillAccount

        account = BackfillAccount(
            self._files,
            self._tallies,
            self._addresses,
            dry_run=self._dry_run,
            keep_refused=self._keep_refused,
            from_line=self._from_line,
            error=error,
        )
        account.show(as_json=self._as_json)
        return account.exit_code


def _within(times: Any, now: datetime, look_back: timedelta) -> Any:
    """The times of a later look: not before ``look_back``, in whole days, ago."""
    from bridge.sources.moengage.export_names import ExportTimes

    begin = now.replace(hour=0, minute=0, second=0, microsecond=0) - look_back
    return ExportTimes(begin if times.since is None else max(times.since, begin), times.until)
