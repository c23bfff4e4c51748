"""Finds the records that Kafka refuses among those of a batch that was refused, and has all others stored.

A broker refuses a batch as a whole. So what was refused is sent again in halves, in batches of its own, until a record that
is refused is alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, Protocol

from bridge.kafka.producer.refusal import Refused, code_of, is_final
from bridge.model.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.model.record import Record


_MOST_DOUBTFUL = 3
"""After this many records in doubt, and none that passed, the trouble is the broker's: a few retries are enough."""


class Entry(NamedTuple):
    """One record of a call: its number in it, where it goes and what it weighs."""

    number: int
    topic: str
    partition: int
    record: Record
    weight: int


class Sending(Protocol):
    """Writes records of one partition in batches of their own; tells by number what was refused."""

    async def __call__(self, entries: Sequence[Entry], /) -> Mapping[int, BaseException]:
        """Raise ``KafkaError`` when one was not confirmed for a reason that has nothing to do with what is in it."""
        ...


async def isolate(
    suspects: Sequence[Entry],
    passed: set[str],
    *,
    send: Sending,
    oversize: Callable[[Entry], Refused | None],
) -> list[Refused]:
    """Those of ``suspects`` that Kafka will not store; the others are stored, in order within their partition.

    ``oversize`` judges a record by the topic's limit as it is known by now. ``passed`` names the topics of which a record of
    the same call was stored: where the broker's answer may mean trouble of its own, a record counts as refused only beside
    others that pass. Raises ``KafkaError`` when it cannot be told.
    """
    search = _Search(send, oversize, set(passed))
    ended = await asyncio.gather(*map(search.settle, _by_place(suspects)), return_exceptions=True)
    for one in ended:
        if one is not None:
            raise one
    await search.judge_doubtful()
    return search.refused


class _Search:
    """What is known of the suspects so far."""

    def __init__(self, send: Sending, oversize: Callable[[Entry], Refused | None], passed: set[str]) -> None:
        self._send = send
        self._oversize = oversize
        self._passed = passed
        self._doubtful: list[tuple[Entry, BaseException]] = []
        self.refused: list[Refused] = []

    async def settle(self, entries: list[Entry]) -> None:
        """Have all of them stored that can be; the first half before the second, so that order is kept."""
        group: list[Entry] = []
        for entry in entries:
            if (verdict := self._oversize(entry)) is not None:
                self.refused.append(verdict)
            else:
                group.append(entry)
        if not group:
            return
        failed = await self._send(group)
        if not failed:
            self._passed.add(group[0].topic)
        elif len(group) > 1:
            middle = len(group) // 2
            await self.settle(group[:middle])
            await self.settle(group[middle:])
        else:
            self._note(group[0], failed[group[0].number])

    def _note(self, entry: Entry, error: BaseException) -> None:
        if is_final(error):
            self.refused.append(_verdict(entry, error))
            return
        self._doubtful.append((entry, error))
        if len(self._doubtful) >= _MOST_DOUBTFUL and entry.topic not in self._passed:
            raise _unconfirmed(error)

    async def judge_doubtful(self) -> None:
        """Send each once more, now that it is known whether others pass."""
        for entry, error in self._doubtful:
            if entry.topic not in self._passed:
                raise _unconfirmed(error) from error
            if repeated := await self._send([entry]):
                self.refused.append(_verdict(entry, repeated[entry.number]))


def _unconfirmed(error: BaseException) -> KafkaError:
    return KafkaError(f"Kafka has not confirmed: {str(error) or type(error).__name__}")


def _by_place(entries: Sequence[Entry]) -> list[list[Entry]]:
    places: dict[tuple[str, int], list[Entry]] = {}
    for entry in entries:
        places.setdefault((entry.topic, entry.partition), []).append(entry)
    return list(places.values())


def _verdict(entry: Entry, error: BaseException) -> Refused:
    return Refused(entry.number, code_of(error), f"{entry.topic} does not accept the record: {error}")
