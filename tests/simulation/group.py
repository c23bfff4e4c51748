"""The coordinator of a consumer group as Kafka has it: generations, eager rebalances, sessions, and committed offsets."""

from dataclasses import dataclass, field
from itertools import count


class GroupError(Exception):
    """What the coordinator answers instead of what was asked for: ``unknown``, ``generation`` or ``rebalancing``."""


@dataclass(slots=True, eq=False)
class Member:
    """One consumer as the coordinator knows it."""

    name: str
    session: float
    rebalance: float
    seen: float
    joining: object = None


@dataclass(slots=True)
class Coordinator:
    """``stored(partition, offset, member)`` is told of each commit before it counts, ``trace`` of what happens. Times in seconds."""

    loop: object
    random: object
    partitions: tuple
    stored: object
    trace: object
    members: dict = field(default_factory=dict)
    generation: int = 0
    stable: bool = True
    committed: dict = field(default_factory=dict)
    notes: dict = field(default_factory=dict)
    rebalances: int = 0
    _deadline: float = 0.0
    _names: object = field(default_factory=count)

    def join(self, name, session, rebalance):
        """Ask to take part; the member's name, and a future for (generation, partitions)."""
        now = self.loop.time()
        if name is None or name not in self.members:
            name = f"member-{next(self._names)}"
            self.members[name] = Member(name, session, rebalance, now)
        member = self.members[name]
        member.seen = now
        if member.joining is None or member.joining.done():
            member.joining = self.loop.create_future()
        future = member.joining
        self._prepare(now)
        self._complete_if_all()
        return name, future

    def leave(self, name):
        """A member goes."""
        if self.members.pop(name, None) is not None:
            self.trace("group", lambda: f"{name} is gone")
            self._prepare(self.loop.time())
            self._complete_if_all()

    def heartbeat(self, name, generation):
        """A member lives."""
        member = self._known(name)
        member.seen = self.loop.time()
        if not self.stable:
            raise GroupError("rebalancing")
        if generation != self.generation:
            raise GroupError("generation")

    def commit(self, name, generation, offsets, notes):
        """Store offsets; while the group prepares a rebalance the members of its generation still may."""
        self._known(name).seen = self.loop.time()
        if generation != self.generation:
            raise GroupError("generation")
        for partition, offset in offsets.items():
            self.stored(partition, offset, name)
            self.committed[partition] = offset
            self.notes[partition] = notes.get(partition, "")

    def expire(self):
        """Remove members that have been silent for too long, and end a rebalance that waits for somebody; call often."""
        now = self.loop.time()
        for member in list(self.members.values()):
            waits = member.joining is not None and not member.joining.done()
            if not waits and now - member.seen > member.session:
                self.leave(member.name)
        if not self.stable and now >= self._deadline:
            for member in list(self.members.values()):
                if member.joining is None or member.joining.done():
                    del self.members[member.name]
            self._complete_if_all()

    def disturb(self):
        """Begin a rebalance for no reason that a member could know."""
        if self.members:
            self._prepare(self.loop.time())

    def throw_out(self, name):
        """Forget a member, as after a session that was lost."""
        self.leave(name)

    def _known(self, name):
        member = self.members.get(name)
        if member is None:
            raise GroupError("unknown")
        return member

    def _prepare(self, now):
        if self.stable:
            self.stable = False
            self.trace("group", lambda: "prepares a rebalance")
            self._deadline = now + max((member.rebalance for member in self.members.values()), default=0.0)

    def _complete_if_all(self):
        if self.stable or not all(m.joining is not None and not m.joining.done() for m in self.members.values()):
            return
        self.generation += 1
        self.rebalances += 1
        self.stable = True
        members = list(self.members.values())
        self.random.shuffle(members)
        partitions = list(self.partitions)
        self.random.shuffle(partitions)
        shares = {member.name: [] for member in members}
        for number, partition in enumerate(partitions if members else ()):
            shares[members[number % len(members)].name].append(partition)
        told = {name: [number for _, number in share] for name, share in shares.items()}
        generation = self.generation
        self.trace("group", lambda: f"generation {generation}: {told}")
        for member in members:
            member.seen = self.loop.time()
            future, member.joining = member.joining, None
            future.set_result((self.generation, tuple(sorted(shares[member.name]))))
