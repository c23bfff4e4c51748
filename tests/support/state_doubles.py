"""A route that remembers, in doubles: its log in memory, memories of both kinds, and a scene in which chunks are mapped and judged."""

# ruff: noqa: ARG002 - doubles take what those in whose place they stand take

from __future__ import annotations

import asyncio
import json
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bridge.kafka.consumer.ledger import Ledger
from bridge.kafka.route_state.state_reader import StateBatch
from bridge.model.accepted_state import Change
from bridge.model.errors import KafkaError, NotJson
from bridge.model.event import LeftOut, Refusal
from bridge.model.verdicts import Rejected, Stage
from bridge.telemetry.metrics import Metrics
from bridge.worker.accepted_state.state_keeper import StateKeeper
from bridge.worker.chunk_mapping import ChunkMapping

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

TOPIC = "events"
REFUSED = Rejected(Stage.DELIVER, "no", "refused")


class MemoryLog:
    """``fails``: errors that the next appends raise; ``waits`` holds appends until it is set."""

    name = "state"

    def __init__(self, partitions: int = 2) -> None:
        self.partitions: dict[int | None, list[tuple[int, bytes, bytes | None]]] = {
            number: [] for number in (None, *range(partitions))
        }
        self.fails: list[KafkaError] = []
        self.unreadable: list[KafkaError] = []
        self.waits = asyncio.Event()
        self.waits.set()
        self.writes = 0

    async def open(self) -> int:
        """How many partitions."""
        return len(self.partitions) - 1

    async def append(self, partition: int | None, entries: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Store, or fail."""
        await self.waits.wait()
        if self.fails:
            raise self.fails.pop(0)
        self.writes += 1
        log = self.partitions[partition]
        log.extend((len(log) + number, *entry) for number, entry in enumerate(entries))

    async def read(self, since: Mapping[int, int]) -> AsyncIterator[StateBatch]:
        """All from there on."""
        await asyncio.sleep(0)
        if self.unreadable:
            raise self.unreadable.pop(0)
        for number, offset in since.items():
            log = self.partitions[number]
            yield StateBatch(number, len(log), log[offset:])

    def written(self) -> dict[bytes, bytes | None]:
        """What lies where state is only written."""
        return {key: value for _, key, value in self.partitions[None]}


class _Noting:
    def __init__(self) -> None:
        self.tallied = 0

    def to_stored(self, value: bytes) -> bytes:
        """One form."""
        return value

    def from_stored(self, stored: bytes) -> bytes:
        """One form."""
        if stored == b"broken":
            raise ValueError("no state")
        return stored

    def tally(self) -> None:
        """Once a chunk."""
        self.tallied += 1

    def forget(self) -> None:
        """After a rehearsal."""
        self.tallied -= 1


class Adding(_Noting):
    """Joins: the letters of all events of a key, sorted, each once."""

    joins = True

    def prepare(self, event: Any, record: Any, recall: Any) -> Any:
        """The event with all letters."""
        if "explode" in event:
            raise KeyError("no letters")
        if "key" not in event:
            return event, None
        key = event["key"].encode()
        letters = "".join(sorted({*(recall(key) or b"").decode(), *event["letters"]}))
        return {**event, "letters": letters}, Change(key, letters.encode())

    def refused(self, change: Change, rejected: Rejected) -> Change | None:
        """Nothing."""
        return None

    def without_event(self, record: Any, outcome: Any) -> Change | None:
        """Nothing."""
        return None


class Marking(_Noting):
    """Only writes: of each record what became of it."""

    joins = False

    def prepare(self, event: Any, record: Any, recall: Any) -> Any:
        """As it is; a vanished row is forgotten."""
        assert recall(record.key) is None
        return event, Change(record.key, None if event.get("gone") else b"accepted")

    def refused(self, change: Change, rejected: Rejected) -> Change | None:
        """The code."""
        return Change(change.key, rejected.code.encode())

    def without_event(self, record: Any, outcome: Any) -> Change | None:
        """The code, or that it was left out."""
        told = b"left out" if isinstance(outcome, LeftOut) else b"undecoded: " + outcome.code.encode()
        return Change(record.key, told)


class _Decoder:
    """A list of events; text is left out by that rule, a number no event."""

    def decode(self, value: bytes) -> Any:
        """Every event of a record."""
        if value == b"broken":
            raise NotJson("not JSON")
        found = json.loads(value)
        return [
            LeftOut(one) if isinstance(one, str) else Refusal("no_event", "a number") if isinstance(one, int) else one
            for one in (found if isinstance(found, list) else [found])
        ]


class _Transform:
    """Elements of an event: its letters and those it names; ``refuse`` refuses the event, an element ``!`` itself."""

    mapping = None

    def apply(self, event: Any) -> Any:
        """Its elements."""
        if "refuse" in event:
            return Rejected(Stage.MAP, "refused", "no")
        elements = event.get("elements", [event.get("letters", "x")])
        return [REFUSED if each == "!" else each.encode() for each in elements]

    def apply_unmapped(self, value: bytes) -> bytes:
        """What is mapped already."""
        return value

    def tally(self) -> None:
        """Nothing."""

    def forget(self) -> None:
        """Nothing."""


class Scene:
    """Chunks of records that are mapped; ``items`` are what was offered, as chunk, number and element."""

    by_key = False

    def __init__(self, memory: Any, log: MemoryLog | None = None) -> None:
        self.log, self.memory, self.metrics = log or MemoryLog(), memory, Metrics()
        self.ledger = Ledger()
        self.items: list[tuple[Any, int, bytes]] = []
        self.letters: list[tuple[int, int | None, str]] = []
        self.attempts: list[int] = []
        self.broken: list[BaseException] = []
        self.ours = True
        self.generation = 0
        self._next = 0
        self.keeper = StateKeeper(
            memory,
            self.log,
            self.ledger,
            self,
            self.metrics,
            finished=self.ledger.resolve,
            is_ours=self._is_ours,
            on_failure=self.broken.append,
            random=Random(1),
            clock=asyncio.get_running_loop().time,
        )
        self.mapping = ChunkMapping(
            self.ledger, _Decoder(), _Transform(), delivery=self, letters=self, metrics=self.metrics, memory=self.keeper
        )

    async def _is_ours(self) -> bool:
        return self.ours

    def offer(self, owner: Any, items: Sequence[bytes], tags: Sequence[int] = ()) -> None:
        """What leaves."""
        self.items += [(owner, number, item) for number, item in enumerate(items)]

    def put(self, chunk: Any, row: int, part: int | None, rejected: Rejected, attempts: int) -> None:
        """A dead letter, which is stored at once."""
        self.letters.append((chunk.records[row].offset, part, rejected.code))
        self.attempts.append(attempts)
        self.ledger.resolve(chunk, 1)

    async def assign(self, *partitions: int) -> None:
        """An assignment begins."""
        self.generation += 1
        if self.generation == 1:
            await self.keeper.open()
        self.ledger.open(self.generation, {(TOPIC, number): None for number in partitions})

    def chunk(self, *values: Any, partition: int = 0) -> Any:
        """Records of these values; the key of each is its ``key``, else ``row-N``."""
        rows = []
        for value in values:
            key = value.get("key") if isinstance(value, dict) else None
            encoded = value if isinstance(value, bytes) else json.dumps(value).encode()
            rows.append(
                SimpleNamespace(
                    value=encoded,
                    key=(key or f"row-{self._next}").encode(),
                    timestamp=self._next,
                    offset=self._next,
                    headers=(),
                )
            )
            self._next += 1
        return self.ledger.register_chunk(
            (TOPIC, partition), self.generation, rows, 10, first=rows[0].offset, last=rows[-1].offset, anew=True
        )

    async def take(self, *values: Any, partition: int = 0) -> Any:
        """Map a chunk as soon as its state is there."""
        chunk = self.chunk(*values, partition=partition)
        await self.keeper.wait_for(chunk)
        self.mapping.map_chunk(chunk)
        return chunk

    async def settled(self) -> None:
        """Let what can be stored be stored."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def finished(self) -> None:
        """Until nothing is open."""
        while self.ledger.events:  # noqa: ASYNC110 - the product tells nobody
            await asyncio.sleep(0.01)


async def assigned(memory: Any, log: MemoryLog | None = None) -> Scene:
    """A scene with the first partition."""
    scene = Scene(memory, log)
    await scene.assign(0)
    return scene


def run(work: Any) -> Any:
    """A coroutine to its end."""
    return asyncio.run(asyncio.wait_for(work, 20))


def known_to_another(scene, key, partition=0):
    """What a worker that took over now would read."""
    log = scene.log

    async def read():
        other = Scene(Adding(), log)
        await other.assign(partition)
        chunk = await other.take({"key": key, "letters": ""}, partition=partition)
        await other.keeper.close()
        return next(item for owner, _, item in other.items if owner is chunk).decode()

    return read()
