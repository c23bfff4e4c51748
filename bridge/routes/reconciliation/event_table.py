"""Every event of the days that are looked at, by its id, in a temporary database on disk: exact, and of bounded memory."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DELIVERED: Final = "0"
OPEN: Final = "1"
LEFT_OUT: Final = "2"
"""With ``:`` and the rule."""
DEAD: Final = "3"
"""With ``:`` and the stage."""
UNACCOUNTED: Final = "4"
"""It lies before the committed offset, was no event, and no dead letter tells of it."""
_AT_ONCE: Final = 5_000
_SCHEMA: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
PRAGMA cache_size = -64000;
CREATE TABLE event (id BLOB, day INTEGER, code TEXT, fate TEXT, kind INTEGER);
CREATE TABLE letter (partition INTEGER, offset INTEGER, uuid TEXT, stage TEXT, code TEXT, events INTEGER);
CREATE TABLE exported (id BLOB);
"""
_DISTINCT: Final = """
CREATE TABLE one AS SELECT
    id,
    MIN(CASE WHEN kind < 2 THEN day END) AS day,
    MIN(CASE WHEN kind = 1 THEN day END) AS kafka_day,
    MIN(code) AS code,
    MIN(fate) AS fate
FROM event GROUP BY id;
"""


class LetterAt(NamedTuple):
    """A dead letter of a place of the topic."""

    offset: int
    uuid: str | None
    stage: str
    code: str
    events: int


class SeenEvent(NamedTuple):
    """One event as it was met: its id, the day of its append, its code, what became of it (sorted: the best first), and where.

    ``kind``: 0 in a dead letter of the receiver, 1 in the topic, 2 in the topic as a replay.
    """

    id: bytes
    day: int
    code: str
    fate: str
    kind: int


class DistinctRow(NamedTuple):
    """Distinct events of a day and a code with one fate; ``in_kafka`` of them lie in the topic."""

    day: int
    code: str
    fate: str
    events: int
    in_kafka: int


def digest(text: str) -> bytes:
    """The id of an event in the table."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class EventTable:
    """Filled once, then asked. A context manager: the file goes with it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="aep-bridge-reconcile-")
        # One thread at a time, but not always the same.
        self._database = sqlite3.connect(
            Path(self._folder.name) / "events.db", isolation_level=None, check_same_thread=False
        )
        self._database.executescript(_SCHEMA)
        self._events: list[SeenEvent] = []
        self._letters: list[tuple[int, int, str | None, str, str, int]] = []
        self._exported: list[tuple[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        # The file is the operating system's to delete where something still looks at it.
        with contextlib.suppress(OSError):
            self._folder.cleanup()

    def add_letter(self, partition: int, letter: LetterAt) -> None:
        """A dead letter of the worker's."""
        self._letters.append((partition, *letter))
        if len(self._letters) >= _AT_ONCE:
            self._flush()

    def add(self, events: Iterable[SeenEvent]) -> None:
        """Events as they were met."""
        self._events.extend(events)
        if len(self._events) >= _AT_ONCE:
            self._flush()

    def add_exported(self, identifier: bytes) -> None:
        """An event of an export file."""
        self._exported.append((identifier,))
        if len(self._exported) >= _AT_ONCE:
            self._flush()

    def letters_of(self, partition: int) -> Iterator[LetterAt]:
        """The letters of a partition in the order of their offsets."""
        self._flush()
        query = "SELECT offset, uuid, stage, code, events FROM letter WHERE partition = ? ORDER BY offset, rowid"
        for row in self._database.execute(query, (partition,)):
            yield LetterAt(*row)

    def distinct(self) -> list[DistinctRow]:
        """The distinct events, by day of their first append, code and fate. Nothing may be added afterwards."""
        self._flush()
        self._database.executescript(_DISTINCT)
        query = (
            "SELECT day, code, fate, COUNT(*), COUNT(kafka_day) FROM one WHERE day IS NOT NULL GROUP BY day, code, fate"
        )
        return [DistinctRow(*row) for row in self._database.execute(query)]

    def repeated(self) -> dict[int, int]:
        """Day -> records of the topic with an event that was there before; after :meth:`distinct`."""
        rows = dict(self._database.execute("SELECT day, COUNT(*) FROM event WHERE kind = 1 GROUP BY day"))
        firsts = dict(self._database.execute("SELECT kafka_day, COUNT(*) FROM one GROUP BY kafka_day"))
        return {day: count - firsts.get(day, 0) for day, count in rows.items()}

    def replayed(self) -> dict[int, int]:
        """Day -> events that were replayed."""
        return dict(self._database.execute("SELECT day, COUNT(*) FROM event WHERE kind = 2 GROUP BY day"))

    def exported(self) -> tuple[int, dict[int, int]]:
        """Distinct events of the export files that are nowhere, and by day those that are; after :meth:`distinct`."""
        query = (
            "SELECT CASE WHEN one.id IS NULL THEN NULL ELSE COALESCE(one.day, -1) END AS at, COUNT(*)"
            " FROM (SELECT DISTINCT id FROM exported) AS wanted LEFT JOIN one ON one.id = wanted.id GROUP BY at"
        )
        found: dict[int | None, int] = dict(self._database.execute(query))
        return found.pop(None, 0), {day: count for day, count in found.items() if day is not None}

    def _flush(self) -> None:
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", self._events)
        self._database.executemany("INSERT INTO letter VALUES (?, ?, ?, ?, ?, ?)", self._letters)
        self._database.executemany("INSERT INTO exported VALUES (?)", self._exported)
        self._database.execute("COMMIT")
        self._events, self._letters, self._exported = [], [], []
