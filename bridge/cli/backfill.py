"""``aep-bridge backfill``: MoEngage's file exports into the topic, as if they had been streamed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.app import app, plain, words
from bridge.cli.route_option import ROUTE, only

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Sequence
    from datetime import datetime, timedelta

    from rich.progress import Progress, TaskID

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
_TELL_SECONDS = 10.0
"""So often it is told how it goes where no bar can be drawn."""


@app.command()
def backfill(  # noqa: PLR0917 - typer reads the signature
    files: list[str] = typer.Argument(
        metavar="FILE|URL...",
        help="File exports: JSON lines or JSON, gzip or not; - for stdin; s3://, gs:// or az:// for a folder or an object.",
        show_default=False,
    ),
    from_line: int = typer.Option(1, min=1, help="Begin the first file at this line: where an earlier run ended."),
    dead_letters: bool | None = typer.Option(
        None,
        "--dead-letters/--no-dead-letters",
        help="Store what is refused in the dead-letter topic, or only tell it. Stored of objects, told of files.",
        show_default=False,
    ),
    since: str | None = typer.Option(
        None,
        metavar="TIME",
        help="Objects of this day or hour, or later (export_day=; else when they were written; UTC).",
    ),
    until: str | None = typer.Option(None, metavar="TIME", help="Objects of days and hours before this time."),
    again: bool = typer.Option(False, "--again", help="Also objects that an earlier run has read."),
    watch: bool = typer.Option(False, "--watch", help="Go on and read new objects as they come, until it is stopped."),
    interval: float = typer.Option(900, min=1, metavar="SECONDS", help="With --watch: look so often."),
    look_back: int = typer.Option(
        2,
        min=0,
        metavar="DAYS",
        help="With --watch: after the first time list today's folder and so many days before it.",
    ),
    telemetry_port: int | None = typer.Option(
        None,
        min=1,
        max=65535,
        metavar="PORT",
        help="With --watch: serve /metrics and /health on this port of BRIDGE_TELEMETRY__HOST.",
        show_default=False,
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Read and count only; Kafka is not asked."),
    as_json: bool = typer.Option(False, "--json", help="The account as JSON; with --watch a line each time."),
    route: str | None = ROUTE,
) -> None:
    """Publish the events of MoEngage's file exports to the event topic, with the keys and the form the receiver gives them.

    Events that AEP has already are told by their _id, so overlapping exports do no harm. How far objects were read is kept in
    Kafka: run again, it goes on where it ended. For files it says how to go on. Credentials of the clouds come from the
    environment. Exits 1 when lines were refused (and not stored) or not everything could be read and stored.

    Examples:
        aep-bridge backfill export-2026-10.json.gz

        aep-bridge backfill --dry-run export.jsonl

        aep-bridge backfill s3://acme-exports/acme_events --since 2026-10-01 --until 2026-11-01

        aep-bridge backfill s3://acme-exports/acme_events --watch --interval 900 --telemetry-port 9466
    """
    import logging

    from bridge.cli.deadletters import moment
    from bridge.routes.receiving import posting
    from bridge.runtime.signals import run_until_stopped
    from bridge.settings import TelemetrySettings, load_deployment
    from bridge.sources.moengage.export_names import ExportTimes, is_url
    from bridge.telemetry.logs import configure_logging

    times = ExportTimes(moment(since, "--since"), moment(until, "--until"))
    if times.since and times.until and times.since >= times.until:
        raise typer.BadParameter("--since is not before --until")
    if from_line > 1 and is_url(files[0]):
        raise typer.BadParameter("objects are gone on with by themselves", param_hint="--from-line")
    if watch and not all(map(is_url, files)):
        raise typer.BadParameter("files are read once; give addresses of object storage alone", param_hint="--watch")
    if telemetry_port is not None and not watch:
        raise typer.BadParameter("only a backfill that watches is looked at", param_hint="--telemetry-port")
    into = only(posting(load_deployment().routes), route)
    settings = into.settings
    configure_logging(TelemetrySettings(log_level="error"))
    # The account says at the end what its client repeats at every attempt.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    run = _Run(
        files,
        from_line=from_line,
        keep_refused=dead_letters,
        dry_run=dry_run,
        as_json=as_json,
        route=into.name,
        times=times,
        again=again,
        watch=interval if watch else None,
        look_back=look_back,
        telemetry_port=telemetry_port,
    )
    raise typer.Exit(run_until_stopped(lambda stop: run.run(settings, stop)))


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


class _Run:
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
            if self._watch is not None and self._telemetry_port is not None:
                from bridge.cli.backfill_telemetry import BackfillTelemetry

                self._telemetry = BackfillTelemetry(self._route, self._watch)
                async with self._telemetry.served(settings.telemetry, self._telemetry_port):
                    return await self._read_all(settings, stop)
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

        self._screen = _Screen(self)
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

    def moved(self, tally: Tally) -> None:
        """Some of an object may have been read."""
        if self._telemetry is not None:
            self._telemetry.reading(tally)

    def refused(self, name: str, line: int, letter: DeadLetter) -> None:
        """Tell of a line that is no event."""
        self._told += 1
        if self._told <= _TOLD:
            words.print(plain(f"{name}, line {line}: {letter.reason} ({letter.code})"), soft_wrap=True)
        elif self._told == _TOLD + 1:
            words.print("more lines are refused; the account counts them")

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
    """The times of a later look: not before so many whole days ago."""
    from bridge.sources.moengage.export_names import ExportTimes

    begin = now.replace(hour=0, minute=0, second=0, microsecond=0) - look_back
    return ExportTimes(begin if times.since is None else max(times.since, begin), times.until)


class _Screen:
    """How the reading of objects goes: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._bar: tuple[Progress, TaskID] | None = None
        self._account: AddressAccount | None = None
        self._size = self._bytes = 0
        self._begun = self._told = time.monotonic()

    def begin(self, screen: Progress, task: TaskID) -> None:
        """Of another address."""
        self._bar = (screen, task)
        self._size = self._bytes = 0
        self._begun = self._told = time.monotonic()

    def listed(self, account: AddressAccount, size: int) -> None:
        self._account, self._size = account, size

    def refused(self, name: str, line: int, letter: DeadLetter) -> None:
        self._run.refused(name, line, letter)

    def reading(self, tally: Tally) -> None:
        self._run.moved(tally)
        account, now = self._account, time.monotonic()
        if account is None or self._bar is None:
            return
        if tally.complete:
            self._bytes += tally.position
        at = self._bytes if tally.complete else self._bytes + tally.position
        # An object that has ended is in the account already.
        ended = tally.complete
        events = account.events + (0 if ended else tally.events)
        objects = account.before + account.read + (1 if ended else 0)
        rate = events / max(now - self._begun, 0.001)
        told = f"{objects:,} of {account.found:,} objects, {events:,} events, {rate:,.0f} events/s"
        screen, task = self._bar
        screen.update(task, total=self._size, completed=at, told=told)
        if not words.is_terminal and now - self._told >= _TELL_SECONDS:
            self._told = now
            share = 100 * at / self._size if self._size else 100
            words.print(f"{account.url}: {told}, {share:.0f} %", markup=False, soft_wrap=True)
