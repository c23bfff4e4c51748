"""``aep-bridge backfill``: MoEngage's file exports into the topic, as if they had been streamed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.app import app, words
from bridge.cli.route_option import ROUTE, only

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Sequence

    from rich.progress import Progress, TaskID

    from bridge.model.dead_letter import DeadLetter
    from bridge.settings import Settings
    from bridge.sources.moengage.export_files import Tally

_TOLD = 20
"""Refused lines that are named one by one; the rest is counted."""


@app.command()
def backfill(  # noqa: PLR0917 - typer reads the signature
    files: list[str] = typer.Argument(
        help="File exports: JSON lines or JSON, gzip or not; - for stdin.", show_default=False
    ),
    from_line: int = typer.Option(1, min=1, help="Begin the first file at this line: where an earlier run ended."),
    dead_letters: bool = typer.Option(
        False, "--dead-letters", help="Store what is refused in the dead-letter topic; otherwise it is only told."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Read and count only; Kafka is not asked."),
    as_json: bool = typer.Option(False, "--json", help="The account as JSON."),
    route: str | None = ROUTE,
) -> None:
    """Publish the events of MoEngage's file exports to the event topic, with the keys and the form the receiver gives them.

    Events that AEP has already are told by their _id, so overlapping exports do no harm. Interrupted, it says how to go on.
    Exits 1 when lines were refused (and not stored with --dead-letters) or not everything could be stored.

    Examples:
        aep-bridge backfill export-2026-10.json.gz

        aep-bridge backfill --dry-run export.jsonl
    """
    import logging

    from bridge.routes.receiving import posting
    from bridge.runtime.signals import run_until_stopped
    from bridge.settings import TelemetrySettings, load_deployment
    from bridge.telemetry.logs import configure_logging

    into = only(posting(load_deployment().routes), route)
    settings = into.settings
    configure_logging(TelemetrySettings(log_level="error"))
    # The account says at the end what its client repeats at every attempt.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    run = _Run(files, from_line=from_line, keep_refused=dead_letters, dry_run=dry_run, as_json=as_json, route=into.name)
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
    """One run over all files, and what it tells."""

    def __init__(
        self, files: Sequence[str], *, from_line: int, keep_refused: bool, dry_run: bool, as_json: bool, route: str
    ) -> None:
        self._files = files
        self._from_line = from_line
        self._keep_refused = keep_refused
        self._dry_run = dry_run
        self._as_json = as_json
        self._route = route
        self._tallies: list[Tally] = []
        self._told = 0

    async def run(self, settings: Settings, stop: asyncio.Event) -> int:
        """Gives the exit code."""
        from bridge.kafka.producer.publisher import KafkaPublisher
        from bridge.model.errors import BridgeError
        from bridge.sources.moengage.export_files import STDIN, Export

        error: BridgeError | None = None
        try:
            for name in self._files:
                if name != STDIN:
                    Export(name).close()
            if self._dry_run:
                await self._read(None, stop)
            else:
                async with KafkaPublisher(settings.kafka, route=self._route) as publisher:
                    await _unless(stop, publisher.connected(settings.kafka.request_timeout_seconds))
                    await self._read(publisher, stop)
        except BridgeError as problem:
            error = problem
        return self._account(error)

    async def _read(self, publisher: object | None, stop: asyncio.Event) -> None:
        from datetime import UTC, datetime

        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        from bridge.sources.moengage.export_files import Export, Tally, fill

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=words, transient=True, disable=not words.is_terminal) as screen:
            for index, name in enumerate(self._files):
                if stop.is_set():
                    return
                export, tally = Export(name), Tally(name)
                self._tallies.append(tally)
                task = screen.add_task(name, total=export.size, told="")
                try:
                    await fill(
                        export,
                        tally,
                        publisher,  # type: ignore[arg-type]
                        now=lambda: datetime.now(UTC),
                        from_line=self._from_line if index == 0 else 1,
                        keep_refused=self._keep_refused,
                        route=self._route,
                        refused=lambda line, letter, name=name: self._refused(name, line, letter),  # type: ignore[misc]
                        stopped=lambda task=task, tally=tally: self._progress(screen, task, tally, stop),  # type: ignore[misc]
                    )
                finally:
                    export.close()

    def _progress(self, screen: Progress, task: TaskID, tally: Tally, stop: asyncio.Event) -> bool:
        screen.update(task, completed=tally.position, told=f"{tally.events:,} events, line {tally.line:,}")
        return stop.is_set()

    def _refused(self, name: str, line: int, letter: DeadLetter) -> None:
        self._told += 1
        if self._told <= _TOLD:
            words.print(f"{name}, line {line}: {letter.reason} ({letter.code})", markup=False, soft_wrap=True)
        elif self._told == _TOLD + 1:
            words.print("more lines are refused; the account counts them")

    def _account(self, error: BaseException | None) -> int:
        refused = sum(tally.refused for tally in self._tallies)
        unfinished = [tally for tally in self._tallies if not tally.complete]
        left = [*(tally.file for tally in unfinished), *self._files[len(self._tallies) :]]
        account = {
            "files": [
                {
                    "file": tally.file,
                    "lines": tally.line,
                    "events": tally.events,
                    "stored": tally.stored,
                    "refused": tally.refused,
                    "complete": tally.complete,
                }
                for tally in self._tallies
            ],
            "events": sum(tally.events for tally in self._tallies),
            "stored": sum(tally.stored for tally in self._tallies),
            "refused": refused,
            "dry_run": self._dry_run,
            "complete": not left and error is None,
        }
        if self._as_json:
            import orjson

            print(orjson.dumps(account).decode())
        elif self._tallies:
            self._print_table()
        if error is not None:
            words.print(f"error: {error}", markup=False, soft_wrap=True)
            if hint := getattr(error, "hint", None):
                words.print(f"hint: {hint}", markup=False, soft_wrap=True)
        if left and any(tally.stored for tally in self._tallies):
            words.print(f"to go on: {self._command(unfinished, left)}", markup=False, soft_wrap=True)
        return 1 if error is not None or left or (refused and not self._keep_refused) else 0

    def _command(self, unfinished: Sequence[Tally], left: Sequence[str]) -> str:
        line = (
            max(unfinished[0].stored_line + 1, self._from_line if unfinished[0].file == self._files[0] else 1)
            if unfinished
            else 1
        )
        options = ["--dead-letters"] if self._keep_refused else []
        return shlex.join(["aep-bridge", "backfill", *left, "--from-line", str(line), *options])

    def _print_table(self) -> None:
        from rich.console import Console
        from rich.table import Table

        table = Table("file", "lines", "events", "stored", "refused")
        for tally in self._tallies:
            stored = "dry run" if self._dry_run else f"{tally.stored:,}"
            table.add_row(tally.file, f"{tally.line:,}", f"{tally.events:,}", stored, f"{tally.refused:,}")
        Console(highlight=False).print(table)
