"""The compacted topic of a route's state as brokers keep it, what of it must be true, and what every customer's audiences must be."""

from collections import Counter

import orjson
from aiokafka.errors import KafkaError as ClientError

from bridge.kafka.route_state.state_reader import StateBatch
from bridge.model.errors import KafkaError
from bridge.worker.accepted_state.fenced_state import FencedState
from simulation.account import BrokenPromiseError, Fate

_AUDIENCES = "ABCDE"
_SPREAD_SECONDS = 40


class _Partition:
    def __init__(self, partitions):
        self.records, self.end = [], 0
        self.state = FencedState(bytes, partitions)
        """What somebody who took over now would know."""

    def append(self, entries):
        """Store them, in their order."""
        for key, value in entries:
            self.records.append((self.end, key, value))
            self.end += 1
            self.state.read(self.records[-1:], self.end)

    def compact(self, upto):
        """Keep of what lies before an offset the last record of each key."""
        newest = {key: offset for offset, key, _ in self.records if offset < upto}
        self.records = [
            (offset, key, value)
            for offset, key, value in self.records
            if offset >= upto or (newest[key] == offset and value is not None)
        ]


class StateTopicLog:
    """All partitions. ``modes``: ``fails``, ``lost`` (stored, told otherwise), ``later`` (told otherwise, and stored some time later)."""

    def __init__(self, world):
        self._world, self._random = world, world.stream("state")
        self.partitions = [_Partition(len(world.partitions)) for _ in world.partitions]
        self.modes = {}

    def compact(self):
        """Compaction passes over a part of each partition."""
        for partition in self.partitions:
            partition.compact(int(partition.end * self._random.random()))

    def append(self, number, entries):
        """What a broker does with a batch; whether its writer is told that it is there."""
        draw, world = self._random.random, self._world
        if draw() < self.modes.get("fails", 0.0):
            world.count("state cannot be written")
            return False
        if draw() < self.modes.get("later", 0.0):
            world.count("state is stored long after its writer was told that it is not")
            world.loop.outside(draw() * 60.0, self.partitions[number].append, entries)
            return False
        self.partitions[number].append(entries)
        if draw() < self.modes.get("lost", 0.0):
            world.count("state is stored and the answer is lost")
            return False
        return True

    def known(self, number, customer):
        """What a new owner would read of a customer: audience -> time and name, None for one that the customer has left."""
        stored = self.partitions[number].state.value(customer.encode())
        return _audiences(stored)

    def read_again(self, number, customer):
        """The same, read from what compaction has left."""
        partition = self.partitions[number]
        state = FencedState(bytes, len(self.partitions))
        state.read(partition.records, partition.end)
        return _audiences(state.value(customer.encode()))


def _audiences(stored):
    return {one[1]: (one[2], one[3]) for one in orjson.loads(stored)["audiences"]} if stored else {}


class SimulatedStateLog:
    """One worker's way to it (:class:`bridge.kafka.route_state.state_log.StateLog`)."""

    name = "state"

    def __init__(self, world):
        self._world = world

    async def open(self):
        """Find it."""
        await self._ask(lambda: None)
        return len(self._world.partitions)

    async def append(self, partition, entries):
        """Write, or not know."""
        if not await self._ask(lambda: self._world.route_state.append(partition, list(entries))):
            raise KafkaError("simulated: not confirmed")

    async def read(self, since):
        """In two halves, so that something may happen between them."""
        partitions = self._world.route_state.partitions
        ends = await self._ask(lambda: {number: partitions[number].end for number in since})
        for number, offset in since.items():
            middle = (offset + ends[number]) // 2
            for first, upto in ((offset, middle), (middle, ends[number])):
                found = await self._ask(
                    lambda number=number, first=first, upto=upto: [
                        record for record in partitions[number].records if first <= record[0] < upto
                    ]
                )
                yield StateBatch(number, upto, found)

    async def _ask(self, work):
        try:
            return await self._world.cluster.ask("state", work)
        except ClientError as error:
            raise KafkaError(f"simulated: {type(error).__name__}") from error


class Members:
    """Writes audiences into events, and knows whether what came of them is right."""

    def __init__(self, world):
        self._world, self._random = world, world.stream("members")
        self._said = {}
        self._by_name = {}
        self.at_destination = {}
        self._checked = Counter()
        self._deleted = set()

    def add_to(self, body, event):
        """Have an event of a customer say something of audiences; now and then only of attributes."""
        draw, now = self._random, int(self._world.loop.time() * 1_000_000)
        customer = event.key.decode()
        body |= {"kind": "profile", "customer_id": customer, "received_at": now}
        said = []
        for identifier in draw.sample(_AUDIENCES, draw.choice((0, 1, 1, 2))):
            # Whole seconds, so that some are equal; many come late.
            at = now // 1_000_000 - draw.randrange(_SPREAD_SECONDS)
            said.append(
                {
                    "namespace": "ups", "id": identifier, "name": f"Audience {identifier}",
                    "status": draw.choice(("member", "member", "exited")), "at": at * 1_000_000,
                }
            )  # fmt: skip
        body["audiences"] = said
        self._said.setdefault(customer, []).append((event, said))
        self._by_name[event.name] = customer, said

    def accepted(self, carried):
        """The destination has taken an element: customer and names, None where it has none."""
        customer, names = carried
        if names is not None:
            self.at_destination[customer] = names

    def deleted(self, partition, start):
        """Retention takes what lies before ``start``: what was accepted of it and not committed yet comes never again."""
        committed = self._world.cluster.coordinator.committed.get(partition, 0)
        events = self._world.account.at
        self._deleted |= {event.name for at in range(committed, start) for event in events(partition, at)}

    def check_stored(self, partition, offset, who):
        """Before an offset passes them, the state has what delivered events say, or something newer."""
        number = partition[1]
        done = self._checked[partition]
        if offset <= done:
            return
        for at in range(done, offset):
            for event in self._world.account.at(partition, at):
                taken = event.accepted and not (event.refused or event.letters or event.name in self._deleted)
                if event.name not in self._by_name or not taken:
                    continue
                customer, said = self._by_name[event.name]
                known = self._world.route_state.known(number, customer)
                for entry in said:
                    if known.get(entry["id"], (-1, ""))[0] < entry["at"]:
                        raise BrokenPromiseError(
                            f"{who} passes {partition} {at}, and of {event.name} audience {entry['id']} is not in the state"
                        )
        self._checked[partition] = offset

    def check_all(self):
        """At rest every customer's audiences are what the messages say, in their order, at the destination and in the state."""
        for customer, events in self._said.items():
            newest = {}
            for event, said in events:
                if event.fate is Fate.NOTHING:
                    continue
                for entry in said:
                    before = newest.get(entry["id"])
                    if before is None or entry["at"] >= before[0]["at"]:
                        newest[entry["id"]] = entry, event
            # What was refused after it had left, or deleted before it was committed, may have been carried by another event, or not.
            doubtful = {
                f"Audience {entry['id']}"
                for event, said in events
                for entry in said
                if event.fate is Fate.REFUSED or event.name in self._deleted
            }
            wanted = {f"Audience {name}" for name, (entry, _) in newest.items() if entry["status"] == "member"}
            number = events[0][0].partition[1]
            kept = {name for _, name in self._world.route_state.read_again(number, customer).values() if name}
            for what, names in (("the destination", set(self.at_destination.get(customer, ()))), ("the state", kept)):
                if names - doubtful != wanted - doubtful:
                    raise BrokenPromiseError(
                        f"{what} has {sorted(names)} of {customer} and ought to have {sorted(wanted)} (in doubt: {sorted(doubtful)})"
                    )
