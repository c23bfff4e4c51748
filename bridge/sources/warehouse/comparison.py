"""Rows as they are against rows as MoEngage has accepted them: on a disk, so that millions of rows take no memory.

One table by key in a SQLite file of its own: the mark that was last accepted or refused, whether this run has met the row, and what
of it is under way. The file is made for one run and gone with it, also where the run is killed; what must last lies in Kafka.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections import Counter
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from bridge.model.errors import BridgeError
from bridge.sources.warehouse.marks import GONE, MarkState, RowMark
from bridge.sources.warehouse.work_folder import work_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from bridge.sources.warehouse.marks import Sent
    from bridge.sources.warehouse.rows import Row

_PAGE_ROWS: Final = 2_000
_CACHE_KIB: Final = 8_000
_SCHEMA: Final = """
CREATE TABLE rows (
    key TEXT PRIMARY KEY, hash TEXT, run TEXT NOT NULL DEFAULT '', state TEXT, code TEXT NOT NULL DEFAULT '',
    customer TEXT NOT NULL DEFAULT '', met INTEGER NOT NULL DEFAULT 0, sent TEXT, sent_run TEXT
) WITHOUT ROWID
"""


class RowFinding(StrEnum):
    """What a row is to the run that has met it."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    AGAIN = "again"
    """It was refused before, and is tried once more."""
    SENT_ONCE = "sent_once"
    """Its key has been sent, and the mode sends each once."""
    UNDER_WAY = "under_way"
    """A run before has sent it as it is; it waits in Kafka."""
    GIVEN_UP = "given_up"
    """It was refused as it is, and somebody has given it up."""
    DUPLICATE = "duplicate_key"
    """A row with its key was met before."""


TO_SEND: Final = frozenset({RowFinding.NEW, RowFinding.CHANGED, RowFinding.AGAIN})


class Comparison:
    """``folder``: where the file is made; None for the system's place that is no memory. ``once``: each key is sent once, ever.

    ``given_up``: hash by key of rows that are not to be tried again as they are. Use in one thread at a time.
    """

    def __init__(self, folder: Path | None, *, once: bool = False, given_up: dict[str, str] | None = None) -> None:
        self._folder = folder
        self._once = once
        self._given_up = given_up or {}
        self._path: Path | None = None
        self._base: sqlite3.Connection | None = None
        self.open = 0
        """Rows that are under way."""
        self.ended: Counter[tuple[str, str]] = Counter()
        """How rows that were under way have ended: by state and code."""

    def __enter__(self) -> Self:
        folder = work_folder(self._folder)
        try:
            handle, name = tempfile.mkstemp(prefix="aep-bridge-sync-", suffix=".db", dir=folder)
            os.close(handle)
            self._path = Path(name)
            self._base = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
            for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "temp_store = FILE"):
                self._base.execute(f"PRAGMA {pragma}")
            self._base.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._base.execute(_SCHEMA)
            # The open file needs no name, and without one it is gone with its process, however that ends.
            with suppress(OSError):
                self._path.unlink()
        except (OSError, sqlite3.Error) as error:
            self.__exit__()
            raise BridgeError(
                f"nothing can be written in {folder}: {error}", hint="BRIDGE_WAREHOUSE__WORK_DIR names another folder"
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._base is not None:
            self._base.close()
            self._base = None
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()

    @property
    def _db(self) -> sqlite3.Connection:
        if self._base is None:
            raise BridgeError("the comparison is not open")
        return self._base

    def under_way(self, sent: Iterable[Sent]) -> None:
        """These rows have been sent, or are about to be, and wait until they are marked: of each key the last one counts."""
        rows = [(one.key, one.hash, one.run) for one in sent]
        keys = list({key for key, _, _ in rows})
        waiting = 0
        for page in _pages(keys):
            places = ",".join("?" * len(page))
            counted = f"SELECT count(*) FROM rows WHERE key IN ({places}) AND sent IS NOT NULL"  # nosec B608 # noqa: S608 - places only
            waiting += self._db.execute(counted, page).fetchone()[0]
        self._write(
            "INSERT INTO rows (key, sent, sent_run) VALUES (?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET sent = excluded.sent, sent_run = excluded.sent_run",
            rows,
        )
        self.open += len(keys) - waiting

    def marked(self, entries: Iterable[tuple[bytes, bytes | None]]) -> int:
        """Take marks as the worker has written them; how many ended what is under way. What is no mark is passed over."""
        marks: list[tuple[str, RowMark]] = []
        forgotten: list[tuple[str]] = []
        for key, value in entries:
            if key[:1] == b"\0":
                continue
            text = key.decode("utf-8", errors="replace")
            if value is None:
                forgotten.append((text,))
                continue
            with suppress(ValueError):
                marks.append((text, RowMark.from_bytes(value)))
        self._write("UPDATE rows SET hash = NULL, state = NULL WHERE key = ?", forgotten)
        before = self.open
        if self.open:
            self._end(marks)
        # Of one customer the last mark tells what the destination has: a replayed dead letter takes an earlier run's state there. A row
        # whose customer changed has marks in two partitions, which are read in any order: that of the later run counts.
        self._write(
            "INSERT INTO rows (key, hash, run, state, code, customer) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
            " hash = excluded.hash, run = excluded.run, state = excluded.state, code = excluded.code, customer = excluded.customer"
            " WHERE excluded.run >= rows.run OR excluded.customer = rows.customer",
            [(key, mark.hash, mark.run, mark.state, mark.code, mark.customer) for key, mark in marks],
        )
        return before - self.open

    def _end(self, marks: Sequence[tuple[str, RowMark]]) -> None:
        by_key = dict(marks)
        for page in _pages(list(by_key)):
            places = ",".join("?" * len(page))
            waiting = self._db.execute(
                f"SELECT key, sent, sent_run FROM rows WHERE key IN ({places}) AND sent IS NOT NULL",  # nosec B608 # noqa: S608 - places only
                page,
            ).fetchall()
            ended = [(key,) for key, hashed, run in waiting if by_key[key].run == run and by_key[key].hash == hashed]
            self._write("UPDATE rows SET sent = NULL WHERE key = ?", ended)
            self.open -= len(ended)
            self.ended.update((by_key[key].state, by_key[key].code) for (key,) in ended)

    def compare(self, rows: Sequence[Row], *, full: bool = False) -> list[RowFinding]:
        """What each row is; from now on it has been met. ``full``: an unchanged row counts as changed."""
        known: dict[str, tuple[str | None, str | None, int, str | None]] = {}
        for page in _pages([row.key for row in rows]):
            places = ",".join("?" * len(page))
            found = self._db.execute(
                f"SELECT key, hash, state, met, sent FROM rows WHERE key IN ({places})",  # nosec B608 # noqa: S608 - places only
                page,
            )
            known.update({key: (hashed, state, met, sent) for key, hashed, state, met, sent in found})
        findings: list[RowFinding] = []
        met: set[str] = set()
        for row in rows:
            findings.append(
                RowFinding.DUPLICATE if row.key in met else self._finding(row, known.get(row.key), full=full)
            )
            met.add(row.key)
        self._write(
            "INSERT INTO rows (key, met) VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET met = 1", [(key,) for key in met]
        )
        return findings

    def _finding(
        self, row: Row, known: tuple[str | None, str | None, int, str | None] | None, *, full: bool
    ) -> RowFinding:
        if known is None:
            return RowFinding.NEW
        hashed, state, met, sent = known
        if met:
            return RowFinding.DUPLICATE
        if sent is not None and (sent == row.hash or self._once):
            return RowFinding.UNDER_WAY
        if state == MarkState.REFUSED:
            return RowFinding.GIVEN_UP if self._given_up.get(row.key) == row.hash else RowFinding.AGAIN
        if hashed is None or hashed == GONE:
            return RowFinding.NEW if sent is None else RowFinding.CHANGED
        if self._once:
            return RowFinding.SENT_ONCE
        return RowFinding.UNCHANGED if hashed == row.hash and sent is None and not full else RowFinding.CHANGED

    def not_sent(self, keys: Sequence[str]) -> None:
        """These rows could not be sent after all."""
        self._write("UPDATE rows SET sent = NULL WHERE key = ?", [(key,) for key in keys])
        self.open -= len(keys)

    def refused_keys(self) -> Iterator[list[str]]:
        """Keys of rows that were refused and not met yet, in pages."""
        for page in self._keys_where("state = 'refused' AND hash <> '-' AND met = 0 AND sent IS NULL"):
            yield [key for key, _ in page]

    def vanished(self) -> Iterator[list[tuple[str, str]]]:
        """Keys that were sent once and were not met, each with its customer, in pages; each is to be told once."""
        for page in self._keys_where(_VANISHED):
            yield [(key, customer or key) for key, customer in page]

    def count_vanished(self) -> tuple[int, int]:
        """How many of the rows that MoEngage has were not met, and how many it has at all."""
        of_all = "SELECT count(*) FROM rows WHERE hash IS NOT NULL AND NOT (hash = '-' AND state = 'accepted')"
        vanished = self._db.execute(f"SELECT count(*) FROM rows WHERE {_VANISHED}").fetchone()[0]  # nosec B608 # noqa: S608 - constant
        everything = self._db.execute(of_all).fetchone()[0]
        return vanished, everything

    def waiting(self, most: int) -> list[str]:
        """Keys of some rows that are under way."""
        found = self._db.execute("SELECT key FROM rows WHERE sent IS NOT NULL LIMIT ?", (most,))
        return [key for (key,) in found]

    def refused(self, most: int) -> list[tuple[str, str]]:
        """Keys and codes of some rows that are refused."""
        found = self._db.execute(
            "SELECT key, code FROM rows WHERE state = 'refused' AND sent IS NULL ORDER BY key LIMIT ?", (most,)
        )
        return [(key, code) for key, code in found]

    def count_refused(self) -> Counter[str]:
        """Rows that are refused, by code."""
        found = self._db.execute(
            "SELECT code, count(*) FROM rows WHERE state = 'refused' AND sent IS NULL GROUP BY code"
        )
        return Counter(dict(found))

    def hashes_of(self, keys: Collection[str]) -> dict[str, str]:
        """The hashes of rows that are refused, of these keys."""
        found: dict[str, str] = {}
        for page in _pages(list(keys)):
            places = ",".join("?" * len(page))
            found |= dict(
                self._db.execute(
                    f"SELECT key, hash FROM rows WHERE state = 'refused' AND key IN ({places})",  # nosec B608 # noqa: S608 - places only
                    page,
                )
            )
        return found

    def _keys_where(self, condition: str) -> Iterator[list[tuple[str, str]]]:
        after = ""
        while True:
            found = self._db.execute(
                f"SELECT key, customer FROM rows WHERE key > ? AND {condition} ORDER BY key LIMIT {_PAGE_ROWS}",  # nosec B608 # noqa: S608 - ours
                (after,),
            )
            page: list[tuple[str, str]] = found.fetchall()
            if not page:
                return
            after = page[-1][0]
            yield page

    def _write(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        if not values:
            return
        # In the order of the tree each page of it is touched once.
        in_order = sorted(values, key=lambda one: str(one[0]))
        self._db.execute("BEGIN")
        self._db.executemany(statement, in_order)
        self._db.execute("COMMIT")


_VANISHED: Final = (
    "met = 0 AND hash IS NOT NULL AND NOT (hash = '-' AND state = 'accepted') AND (sent IS NULL OR sent <> '-')"
    " AND NOT (state = 'left_out' AND hash = '-')"
)


def _pages(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), _PAGE_ROWS):
        yield keys[start : start + _PAGE_ROWS]
