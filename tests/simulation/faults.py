"""What goes wrong, when and for how long, as the seed wants it."""

import asyncio
from dataclasses import dataclass

LONG = (1.0, 3.0, 8.0, 20.0, 60.0)
SHORT = (0.2, 1.0, 3.0, 8.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """``begin(world, draw)`` makes it, and gives what ends it; ``lasts`` are the seconds it may last."""

    name: str
    weight: float
    begin: object
    lasts: tuple = SHORT


def _mode(modes_of, name, value):
    """A fault that is a mode of one of the doubles; the latest of a name decides when it ends."""

    def begin(world, draw):
        modes = modes_of(world)
        token = modes[name] = value(draw) if callable(value) else value

        def end():
            if name in modes and modes[name] == token:
                del modes[name]

        return end

    return begin


def _aep(name, value=True):
    return _mode(lambda world: world.aep.modes, name, value)


def _brokers(name, value=True):
    return _mode(lambda world: world.cluster.modes, name, value)


def _letters(name, value=True):
    return _mode(lambda world: world.letters.modes, name, value)


def _state(name, value):
    return _mode(lambda world: world.route_state.modes, name, value)


def _compact(world, draw):
    world.route_state.compact()


def _share(draw):
    return 0.2 + 0.8 * draw.random()


def _node(world, draw):
    return draw.choice(world.nodes)


def _kill(world, draw):
    node = _node(world, draw)
    if node.worker is not None and len(node.worker.letters):
        world.count("killed with dead letters under way")
    node.kill()
    return node.restart


def _stop(world, draw):
    node = _node(world, draw)
    if "commit fails" in world.cluster.modes:
        world.count("told to stop while commits fail")
    if not world.cluster.coordinator.stable:
        world.count("told to stop during a rebalance")
    node.terminate()


def _stop_twice(world, draw):
    node = _node(world, draw)
    node.terminate()
    return node.terminate


def _pause(world, draw):
    node = _node(world, draw)
    process = node.process
    if process is None or process.dead:
        return None
    process.pause()
    return process.resume


def _leave_for_long(world, draw):
    node = _node(world, draw)
    node.wanted = False
    node.terminate()

    def back():
        node.wanted = True
        node.restart()

    return back


def _disturb(world, draw):
    world.cluster.coordinator.disturb()
    return world.cluster.coordinator.disturb


def _all_rejoin(world, draw):
    world.cluster.coordinator.disturb()
    for node in world.nodes:
        if node.at_work and node.stream is not None and node.stream.client is not None:
            node.stream.client.notice()


def _throw_out(world, draw):
    members = sorted(world.cluster.coordinator.members)
    if members:
        world.cluster.coordinator.throw_out(draw.choice(members))


def _no_leader(world, draw):
    partition = draw.choice(world.partitions)
    world.cluster.away[partition] = True
    return lambda: world.cluster.away.pop(partition, None)


def _damage(world, draw):
    log = world.cluster.logs[draw.choice(world.partitions)]
    entries = log.read(max(log.start, log.end - draw.randrange(1, 60)), draw.randrange(1, 8), uncommitted=True)
    offsets = {entry.offset for entry in entries}
    log.damaged |= offsets

    def repair():
        log.damaged -= offsets

    return repair


def _unparsable(world, draw):
    log = world.cluster.logs[draw.choice(world.partitions)]
    entries = log.read(max(log.start, log.end - draw.randrange(1, 10)), 1, uncommitted=True)
    for entry in entries:
        entry.unparsable = True

    def upgrade():
        for entry in entries:
            entry.unparsable = False

    return upgrade


def _transaction(world, draw):
    partition = draw.choice(world.partitions)
    name = world.workload.begin(partition)
    commit = draw.random() < 0.5

    def end():
        world.count("transaction committed" if commit else "transaction aborted")
        world.workload.end(partition, name, commit=commit)

    return end


def _retention(world, draw):
    partition = draw.choice(world.partitions)
    log = world.cluster.logs[partition]
    # Mostly of what is long done; sometimes it overtakes.
    start = log.end - draw.choice((300, 300, 100, 20, 0))
    if start > log.start and not log.open and partition in world.cluster.coordinator.committed:
        world.members.deleted(partition, start)
        log.expire(start)
        if world.account.retained(partition, start):
            world.count("retention deletes what was not delivered")


def _burst(world, draw):
    world.workload.burst(draw.choice((50, 200, 600)))


FAULTS = (
    Fault("kill -9", 2.0, _kill, (0.1, 1.0, 5.0, 20.0)),
    Fault("SIGTERM", 1.5, _stop),
    Fault("SIGTERM twice", 0.3, _stop_twice, (0.0, 0.1, 2.0)),
    Fault("SIGSTOP", 1.0, _pause, LONG),
    Fault("one worker less for a while", 0.5, _leave_for_long, LONG),
    Fault("rebalance without a reason", 1.5, _disturb, (0.0, 0.01, 0.1, 1.0)),
    Fault("rebalance that all notice at once", 4.0, _all_rejoin),
    Fault("a member is thrown out", 1.0, _throw_out),
    Fault("brokers away", 0.7, _brokers("away"), LONG),
    Fault("brokers silent", 0.5, _brokers("silent"), LONG),
    Fault("partition without leader", 0.5, _no_leader, LONG),
    Fault("commits fail", 1.5, _brokers("commit fails", _share), LONG),
    Fault("commits' answers are lost", 1.5, _brokers("commit lost", _share), LONG),
    Fault("commits are answered late", 1.2, _brokers("commit late", _share), LONG),
    Fault("fetches fail", 0.5, _brokers("fetch fails", _share), LONG),
    Fault("fetches are late", 0.5, _brokers("fetch late", 0.3), LONG),
    Fault("heartbeats fail", 0.5, _brokers("heartbeat fails", _share), LONG),
    Fault("joining fails", 0.5, _brokers("join fails", _share), LONG),
    Fault("offsets are not told", 0.5, _brokers("list offsets fails", _share), LONG),
    Fault("damaged batch", 0.7, _damage, LONG),
    Fault("unparsable record", 0.7, _unparsable, LONG),
    Fault("transaction", 0.7, _transaction, LONG),
    Fault("retention", 0.8, _retention),
    Fault("burst", 1.0, _burst),
    Fault("AEP away", 1.5, _aep("down"), LONG),
    Fault("AEP silent", 0.7, _aep("hang", _share), LONG),
    Fault("AEP's answers are lost", 1.0, _aep("lost", _share), LONG),
    Fault("AEP slow", 0.7, _aep("slow", lambda draw: draw.choice((2.0, 10.0, 29.0))), LONG),
    Fault("AEP throttles", 0.7, _aep("throttled", lambda draw: draw.choice((None, 0.0, 1.0, 5.0, 20.0))), LONG),
    Fault("AEP throttles for long", 0.1, _aep("throttled", lambda draw: draw.choice((None, 5.0))), (90.0, 200.0)),
    Fault("AEP refuses credentials", 0.7, _aep("unauthorized"), LONG),
    Fault("AEP misconfigured", 0.4, _aep("misconfigured"), LONG),
    Fault("AEP fails", 1.0, _aep("errors", _share), LONG),
    Fault("AEP mismatched", 0.5, _aep("mismatched", _share), LONG),
    Fault("AEP short of verdicts", 0.4, _aep("short", _share), LONG),
    Fault("AEP puts off events", 0.7, _aep("items", _share), LONG),
    Fault("AEP puts off all", 0.4, _aep("all_items", _share), LONG),
    Fault("AEP raises", 0.3, _aep("raises", _share), LONG),
    Fault("dead letters refused", 1.0, _letters("refuses"), LONG),
    Fault("dead letters silent", 0.4, _letters("hangs"), LONG),
    Fault("dead letters' answers are lost", 0.7, _letters("lost"), LONG),
    Fault("dead letters late", 0.7, _letters("late"), LONG),
    Fault("dead-letter topic gone", 0.3, _letters("no topic"), LONG),
    Fault("state cannot be written", 0.7, _state("fails", 1.0), LONG),
    Fault("state is written now and then", 0.7, _state("fails", _share), LONG),
    Fault("state writes' answers are lost", 0.7, _state("lost", _share), LONG),
    Fault("state is written long after", 0.7, _state("later", _share), LONG),
    Fault("state topic is compacted", 1.0, _compact),
    Fault("producer broken", 0.3, _letters("broken"), SHORT),
)


class Trouble:
    """Begins faults at ``rate`` a second, and ends each in its time."""

    def __init__(self, world, rate, faults=FAULTS):
        self._world, self._rate, self._faults = world, rate, faults
        self._draw = world.stream("faults")
        self._weights = [fault.weight for fault in faults]
        self._ends = {}
        self.begun = 0

    async def run(self):
        """Until cancelled."""
        draw, world = self._draw, self._world
        while True:
            await asyncio.sleep(draw.expovariate(self._rate))
            fault = draw.choices(self._faults, self._weights)[0]
            seconds = draw.choice(fault.lasts) * draw.uniform(0.5, 1.5)
            world.trace("fault", lambda f=fault, s=seconds: f"{f.name} for {s:.2f} s")
            world.count(f"fault: {fault.name}")
            self.begun += 1
            end = fault.begin(world, draw)
            if end is not None:
                number = self.begun
                self._ends[number] = end
                world.loop.outside(seconds, self._end, number, fault.name)

    def _end(self, number, name):
        end = self._ends.pop(number, None)
        if end is not None:
            self._world.trace("fault", lambda: f"{name} is over")
            end()

    def heal(self):
        """End everything that is broken."""
        for number in list(self._ends):
            self._end(number, "by healing")
        for log in self._world.cluster.logs.values():
            log.damaged.clear()
