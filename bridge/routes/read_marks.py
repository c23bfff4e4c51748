"""How far each object of a backfill was read, in the state topic: by its version, so that a replaced object is read anew.

The state topic is read whole by others, and holds few keys: one for each folder of a day, whose value lists its objects; folders
without a day, which grow without an end, are divided by the names of their objects.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.kafka.state_topic import StateTopic

_PARTS: Final = 64


@dataclass(frozen=True, slots=True)
class ReadMark:
    """Of an object in this version everything up to ``line`` is stored; ``is_whole``: and there is nothing more."""

    version: str
    line: int
    is_whole: bool


class ReadMarks:
    """The marks of one route. ``KafkaError`` when the state topic cannot be used."""

    def __init__(self, state: StateTopic, route: str) -> None:
        self._state = state
        self._before = f"backfill/{route}/"
        self._marks: dict[bytes, dict[str, ReadMark]] = {}

    async def open(self) -> None:
        """Read what is there."""
        await self._state.open()
        before = self._before.encode()
        for key, value in (await self._state.read()).items():
            if key.startswith(before) and value:
                self._marks[key] = {name: ReadMark(*mark) for name, mark in orjson.loads(value).items()}

    def mark_of(self, url: str, version: str) -> ReadMark | None:
        """How far this version of the object was read; None where it was not."""
        key, name = self._place(url)
        mark = self._marks.get(key, {}).get(name)
        return mark if mark is not None and mark.version == version else None

    async def write(self, url: str, mark: ReadMark) -> None:
        """Keep it; return when Kafka has confirmed it."""
        key, name = self._place(url)
        marks: Mapping[str, ReadMark] = self._marks.get(key, {}) | {name: mark}
        value = {each: (one.version, one.line, one.is_whole) for each, one in marks.items()}
        await self._state.write({key: orjson.dumps(value)})
        self._marks[key] = dict(marks)

    def _place(self, url: str) -> tuple[bytes, str]:
        folder, _, name = url.rpartition("/")
        if "day=" not in folder:
            folder += f"#{zlib.crc32(name.encode()) % _PARTS}"
        return f"{self._before}{folder}".encode(), name
