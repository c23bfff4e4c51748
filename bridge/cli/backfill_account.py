"""What a backfill has come to: a table or JSON, what was amiss, how to go on, and the exit code."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from bridge.cli.app import plain, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.errors import BridgeError
    from bridge.routes.backfilling import AddressAccount
    from bridge.sources.moengage.export_filling import Tally

_NAMED = 10
"""Objects that could not be read which are named one by one."""


class BackfillAccount:
    """Of one run, or of one look of a run that watches."""

    def __init__(
        self,
        names: Sequence[str],
        tallies: Sequence[Tally],
        addresses: Sequence[AddressAccount],
        *,
        dry_run: bool,
        keep_refused: bool | None,
        from_line: int,
        error: BridgeError | None,
    ) -> None:
        self._names = names
        self._tallies = tallies
        self._addresses = addresses
        self._dry_run = dry_run
        self._keep_refused = keep_refused
        self._from_line = from_line
        self._error = error
        self._unfinished = [tally for tally in tallies if not tally.complete]
        begun = {each.file for each in tallies} | {each.url for each in addresses}
        self._left = [
            *(tally.file for tally in self._unfinished),
            *(each.url for each in addresses if not each.is_whole),
            *(name for name in names if name not in begun),
        ]

    @property
    def exit_code(self) -> int:
        """1 where something is not read, not stored, or refused and kept nowhere."""
        lost = sum(tally.refused for tally in self._tallies) if not self._keep_refused else 0
        if self._keep_refused is False or self._dry_run:
            lost += sum(each.refused for each in self._addresses)
        return 1 if self._error is not None or self._left or lost else 0

    def show(self, *, as_json: bool) -> None:
        """The account on stdout, words on stderr."""
        if as_json:
            import orjson

            print(orjson.dumps(self._document()).decode(), flush=True)
        elif self._tallies or self._addresses:
            self._print_table()
        for each in self._addresses:
            for remark in each.remarks:
                _say(f"{each.url}: {remark}")
            for why in list(each.failed.values())[:_NAMED]:
                _say(f"not read: {why}")
            if len(each.failed) > _NAMED:
                _say(f"{len(each.failed) - _NAMED} more objects could not be read; --json names them")
        if self._error is not None:
            _say(f"error: {self._error}")
            if self._error.hint:
                _say(f"hint: {self._error.hint}")
        files = [name for name in self._left if all(name != each.url for each in self._addresses)]
        if files and any(tally.stored for tally in self._tallies):
            _say(f"to go on: {self._command(files)}")

    def _document(self) -> dict[str, Any]:
        every: list[Any] = [*self._tallies, *self._addresses]
        document: dict[str, Any] = {
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
            "events": sum(each.events for each in every),
            "stored": sum(each.stored for each in every),
            "refused": sum(each.refused for each in every),
            "dry_run": self._dry_run,
            "complete": not self._left and self._error is None,
        }
        if self._addresses:
            document["addresses"] = [
                {
                    "url": each.url,
                    "objects": each.found,
                    "read_before": each.before,
                    "read": each.read,
                    "encrypted": each.encrypted,
                    "others": each.others,
                    "failed": each.failed,
                    "lines": each.lines,
                    "events": each.events,
                    "stored": each.stored,
                    "refused": each.refused,
                    "complete": each.is_whole,
                }
                for each in self._addresses
            ]
        if self._error is not None:
            document["error"] = str(self._error)
        return document

    def _command(self, files: Sequence[str]) -> str:
        line = 1
        if self._unfinished:
            first = self._unfinished[0]
            line = max(first.stored_line + 1, self._from_line if first.file == self._names[0] else 1)
        options = ["--dead-letters"] if self._keep_refused else []
        return shlex.join(["aep-bridge", "backfill", *files, "--from-line", str(line), *options])

    def _print_table(self) -> None:
        from rich.console import Console
        from rich.table import Column, Table

        console = Console(highlight=False)
        if self._tallies:
            table = Table("file", "lines", "events", "stored", "refused")
            for tally in self._tallies:
                table.add_row(
                    plain(tally.file),
                    f"{tally.line:,}",
                    f"{tally.events:,}",
                    self._stored(tally.stored),
                    f"{tally.refused:,}",
                )
            console.print(table)
        listed = [each for each in self._addresses if each.is_listed]
        if listed:
            address = Column("address", overflow="fold", min_width=20)
            table = Table(address, "objects", "before", "read", "not read", "events", "stored", "refused")
            for each in listed:
                missing = each.found - each.before - each.read + each.encrypted
                counts = (each.found, each.before, each.read, missing, each.events)
                table.add_row(
                    plain(each.url),
                    *(f"{count:,}" for count in counts),
                    self._stored(each.stored),
                    f"{each.refused:,}",
                )
            console.print(table)

    def _stored(self, count: int) -> str:
        return "dry run" if self._dry_run else f"{count:,}"


def _say(text: str) -> None:
    words.print(plain(text), soft_wrap=True)
