"""What MoEngage's side writes: records of every kind, by key, in transactions, with what no worker can deliver among them."""

import asyncio
from zlib import crc32

import orjson

from simulation.account import Event, Fate
from simulation.partition_log import Kind

_EPOCH = 1_700_000_000_000
_KEYS = 40
_ENOUGH = 5_000
_SLOW = 8
_NATURES = (("poison", 0.01), ("unexplained", 0.002), ("suspect", 0.001), ("oversize", 0.002), ("postponed", 0.002))


def timestamp(now):
    """Milliseconds since 1970 of a virtual moment."""
    return _EPOCH + int(now * 1000)


class Workload:
    """Writes ``rate`` events a second while ``on``."""

    def __init__(self, world, rate):
        self._world, self._random = world, world.stream("workload")
        self._rate, self._number = rate, 0
        self.on = True
        self.natures = True

    async def run(self):
        """Write until cancelled."""
        draw = self._random
        while True:
            await asyncio.sleep(draw.expovariate(self._rate / 2.2))
            if self.on:
                self._write()

    def slow_down(self):
        """Write no more than any worker can deliver, however small its requests are."""
        self._rate = min(self._rate, _SLOW)

    def burst(self, records):
        """So many records at once."""
        for _ in range(records):
            self._write()

    def _write(self):
        draw = self._random.random()
        world = self._world
        key = b"key-%d" % self._random.randrange(_KEYS) if self._random.random() < 0.9 else None
        place = self._random.randrange(1 << 30) if key is None else crc32(key)
        partition = world.cluster.partitions[place % len(world.cluster.partitions)]
        log = world.cluster.logs[partition]
        gap = self._random.randrange(1, 4) if self._random.random() < 0.02 else 0
        if gap:
            world.count("compaction leaves a gap")
        offset = log.end + gap
        if draw < 0.01:
            world.count("tombstone")
            value, events = None, []
        elif draw < 0.02:
            world.count("record is not JSON")
            value, events = b"{not json", [self._event(partition, offset, Fate.REFUSED)]
        elif draw < 0.03:
            world.count("record is no event")
            value, events = b'{"nothing":1}', [self._event(partition, offset, Fate.REFUSED)]
        elif draw < 0.2:
            made = [self._make(partition, offset, key) for _ in range(self._random.randrange(0, 12))]
            value, events = orjson.dumps({"events": [body for body, _ in made]}), [event for _, event in made]
            world.count("batch record without events" if not made else "batch record")
        else:
            body, event = self._make(partition, offset, key)
            value, events = orjson.dumps(body), [event]
        transaction = None
        for each in list(log.open):
            if self._random.random() < 0.7:
                transaction = each
        log.append(key, value, timestamp(world.loop.time()), gap=gap, transaction=transaction)
        world.account.written(partition, offset, events)

    def _event(self, partition, offset, fate):
        self._number += 1
        return Event(f"e{self._number}", fate, partition, offset, written=self._world.loop.time())

    def _make(self, partition, offset, key):
        world, draw = self._world, self._random.random
        event = self._event(partition, offset, Fate.DELIVERED)
        event.key = key
        body = {"event_code": "simulated", "event_uuid": event.name}
        if key is not None and world.remembers:
            world.members.add_to(body, event)
        chance = draw()
        if not self.natures:
            return body, event
        for nature, share in _NATURES:
            chance -= share
            if chance < 0:
                if nature == "suspect" and world.settings.worker.max_in_flight_events < _ENOUGH:
                    # Where little may be in flight, what is held up behind it is soon all that there is: nothing else passes.
                    break
                world.aep.natures[event.name] = nature
                if nature == "postponed":
                    world.aep.postponed_until[event.name] = world.loop.time() + draw() * 150.0
                else:
                    event.fate = Fate.REFUSED
                return body, event
        if chance < 0.004:
            body["refuse"], event.fate = True, Fate.REFUSED
            world.count("mapping refuses an event")
        elif chance < 0.006:
            body["explode"], event.fate = True, Fate.REFUSED
            world.count("mapping raises")
        return body, event

    def begin(self, partition):
        """Open a transaction on a partition; its name."""
        name = f"transaction-{self._random.random()}"
        self._world.cluster.logs[partition].open.setdefault(name, [])
        return name

    def end(self, partition, name, *, commit):
        """Commit or abort it."""
        world = self._world
        log = world.cluster.logs[partition]
        for entry in log.finish(name, timestamp(world.loop.time()), commit=commit):
            if not commit and entry.kind is Kind.ABORTED:
                world.account.aborted(world.account.at(partition, entry.offset))
