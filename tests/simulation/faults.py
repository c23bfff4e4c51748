"""What can go wrong: how each fault begins and ends, how long it may last, and what shows that workers have met it."""

from dataclasses import dataclass

LONG = (1.0, 3.0, 8.0, 20.0, 60.0)
SHORT = (0.2, 1.0, 3.0, 8.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """``begin(world, draw)`` makes it, and gives what ends it; ``lasts`` are the seconds it may last.

    ``shows`` are the counters that rise when workers meet it; ``again`` are the seconds after which what is over at once is
    made once more while they have not. ``where(world)``: it is planned in each world of which that is true, and in no other.
    """

    name: str
    weight: float
    begin: object
    lasts: tuple = SHORT
    shows: tuple = ()
    again: float | None = None
    where: object = None


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


def _remembers(world):
    return world.remembers


def _forgets(world):
    """Where nothing is remembered offsets are committed without asking first whether one is still a member."""
    return not world.remembers


def _always(_world):
    return True


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


def _kill_with_letters(world, draw):
    late = _letters("late")(world, draw)
    having = [node for node in world.nodes if node.at_work and len(node.worker.letters)]
    if not having:
        return late
    world.count("killed with dead letters under way")
    node = draw.choice(having)
    node.kill()

    def end():
        late()
        node.restart()

    return end


def _stop(world, draw):
    node = _node(world, draw)
    if node.at_work and "commit fails" in world.cluster.modes:
        world.count("told to stop while commits fail")
    if node.at_work and not world.cluster.coordinator.stable:
        world.count("told to stop during a rebalance")
    node.terminate()


def _stop_while_commits_fail(world, draw):
    end = _brokers("commit fails", _share)(world, draw)
    _stop(world, draw)
    return end


def _stop_during_a_rebalance(world, draw):
    _disturb(world, draw)
    world.loop.outside(draw.random() * 0.2, _stop, world, draw)


def _rejoin_while_late(what):
    """A rebalance that all notice at once, while the answers to one kind of request are late."""

    def begin(world, draw):
        end = _brokers(f"{what} late", 0.8)(world, draw)
        world.loop.outside(draw.random() * 2.0, _all_rejoin, world, draw)
        return end

    return begin


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


def _rejoin_in_a_burst(world, draw):
    """With records that wait before and behind the rebalance."""
    world.workload.burst(30)
    world.loop.outside(draw.random() * 0.3, _all_rejoin, world, draw)


def _throw_out(world, draw):
    members = sorted(world.cluster.coordinator.members)
    if members:
        world.cluster.coordinator.throw_out(draw.choice(members))


def _throw_out_unheard(world, draw):
    """Who is thrown out and hears of it by no heartbeat goes on until its commit is refused."""
    end = _brokers("heartbeat fails", 1.0)(world, draw)
    _throw_out(world, draw)
    return end


def _all_away(world, draw):
    """What the workers have they keep, so that it is they whom the brokers' absence troubles."""
    ends = [_aep("down")(world, draw), _brokers("away")(world, draw)]

    def end():
        for each in ends:
            each()

    return end


def _no_leader(world, draw):
    partition = draw.choice(world.partitions)
    world.cluster.away[partition] = True
    return lambda: world.cluster.away.pop(partition, None)


def _damage(world, draw):
    partition = draw.choice(world.partitions)
    log = world.cluster.logs[partition]
    if draw.random() < 0.3:
        # Mostly of what was read before, and is only read again by whoever takes over.
        entries = log.read(max(log.start, log.end - draw.randrange(1, 60)), draw.randrange(1, 8), uncommitted=True)
        offsets = {entry.offset for entry in entries}
    else:
        first = world.unread(partition)
        offsets = set(range(first, first + draw.randrange(1, 8)))
    log.damaged |= offsets

    def repair():
        log.damaged -= offsets

    return repair


def _unparsable(world, draw):
    partition = draw.choice(world.partitions)
    log = world.cluster.logs[partition]
    # What nobody has read, if there is such a record; else one that is read again by whoever takes over.
    entries = log.read(world.unread(partition), 1, uncommitted=True) or log.read(
        max(log.start, log.end - draw.randrange(1, 10)), 1, uncommitted=True
    )
    for entry in entries:
        entry.unparsable = True

    def upgrade():
        for entry in entries:
            entry.unparsable = False

    return upgrade


def _transaction(*, commit):
    def begin(world, draw):
        partition = draw.choice(world.partitions)
        name = world.workload.begin(partition)

        def end():
            world.count("transaction committed" if commit else "transaction aborted")
            world.workload.end(partition, name, commit=commit)

        return end

    return begin


def _retention(world, draw):
    partition = draw.choice(world.partitions)
    log = world.cluster.logs[partition]
    # Mostly of what is long done; sometimes it overtakes.
    _delete(world, partition, log.end - draw.choice((300, 300, 100, 20, 0)))


def _overtake(world, draw):
    world.workload.burst(30)
    partition = draw.choice(world.partitions)
    _delete(world, partition, world.cluster.logs[partition].end)


def _delete(world, partition, start):
    log = world.cluster.logs[partition]
    if start > log.start and not log.open and partition in world.cluster.coordinator.committed:
        world.members.deleted(partition, start)
        log.expire(start)
        if world.account.retained(partition, start):
            world.count("retention deletes what was not delivered")


def _burst(world, draw):
    world.workload.burst(draw.choice((50, 200, 600)))


FAULTS = (
    Fault("kill -9", 2.0, _kill, (0.1, 1.0, 5.0, 20.0)),
    Fault(
        "kill -9 with dead letters under way",
        0.3,
        _kill_with_letters,
        SHORT,
        shows=("killed with dead letters under way",),
        again=0.25,
    ),
    Fault("SIGTERM", 1.5, _stop),
    Fault(
        "SIGTERM while commits fail",
        0.3,
        _stop_while_commits_fail,
        shows=("told to stop while commits fail",),
        again=1.0,
    ),
    Fault(
        "SIGTERM during a rebalance",
        0.3,
        _stop_during_a_rebalance,
        shows=("told to stop during a rebalance",),
        again=3.0,
    ),
    Fault("SIGTERM twice", 0.3, _stop_twice, (0.0, 0.1, 2.0)),
    Fault("SIGSTOP", 1.0, _pause, LONG),
    Fault("one worker less for a while", 0.5, _leave_for_long, LONG),
    Fault("rebalance without a reason", 1.5, _disturb, (0.0, 0.01, 0.1, 1.0)),
    Fault(
        "rebalance that all notice at once",
        4.0,
        _all_rejoin,
        shows=("revoked with events under way", "a rebalance between fetch and arrival"),
        again=3.0,
    ),
    Fault(
        "rebalance in a burst",
        0.3,
        _rejoin_in_a_burst,
        shows=(
            "the stream's queue is emptied with chunks in it",
            "a chunk of an assignment that is over reaches the stream",
        ),
        again=6.0,
    ),
    Fault(
        "rebalance while commits are late",
        0.3,
        _rejoin_while_late("commit"),
        shows=("a rebalance during a commit",),
        again=5.0,
    ),
    Fault(
        "rebalance while fetches are late",
        0.3,
        _rejoin_while_late("fetch"),
        shows=("a fetch arrives for a place that is left",),
        again=5.0,
    ),
    Fault("a member is thrown out", 1.0, _throw_out, shows=("heartbeat is refused: unknown",)),
    Fault(
        "a member is thrown out unheard", 0.3, _throw_out_unheard, shows=("commit is refused: unknown",), where=_forgets
    ),
    Fault("brokers away", 0.7, _brokers("away"), LONG, shows=("brokers are away",)),
    Fault("brokers silent", 0.5, _brokers("silent"), LONG, shows=("brokers do not answer",)),
    Fault("partition without leader", 0.5, _no_leader, LONG, shows=("a partition has no leader",)),
    Fault("commits fail", 1.5, _brokers("commit fails", _share), LONG, shows=("commit fails",)),
    Fault(
        "commits' answers are lost",
        1.5,
        _brokers("commit lost", _share),
        LONG,
        shows=("commit succeeds and its answer is lost",),
    ),
    Fault("commits are answered late", 1.2, _brokers("commit late", _share), LONG, shows=("commit is answered late",)),
    Fault("fetches fail", 0.5, _brokers("fetch fails", _share), LONG, shows=("fetch fails",)),
    Fault("fetches are late", 0.5, _brokers("fetch late", 0.3), LONG),
    Fault("heartbeats fail", 0.5, _brokers("heartbeat fails", _share), LONG, shows=("heartbeat fails",)),
    Fault("joining fails", 0.5, _brokers("join fails", _share), LONG),
    Fault("offsets are not told", 0.5, _brokers("list offsets fails", _share), LONG),
    Fault(
        "damaged batch", 0.7, _damage, LONG, shows=("a batch is damaged", "told: unreadable"), again=10.0, where=_always
    ),
    Fault("unparsable record", 0.7, _unparsable, LONG, shows=("a record cannot be parsed",), again=0.25),
    Fault("transaction that commits", 0.35, _transaction(commit=True), LONG),
    Fault("transaction that is aborted", 0.35, _transaction(commit=False), LONG),
    Fault("retention", 0.8, _retention),
    Fault(
        "retention that overtakes",
        0.2,
        _overtake,
        shows=("retention deletes what was not delivered", "the client jumps over what retention deleted"),
        again=5.0,
    ),
    Fault("burst", 1.0, _burst),
    Fault("brokers and AEP away", 0.2, _all_away, LONG, shows=("told: brokers away",)),
    Fault("AEP away", 1.5, _aep("down"), LONG, shows=("aep is away", "told: destination away")),
    Fault("AEP silent", 0.7, _aep("hang", _share), LONG, shows=("aep does not answer",)),
    Fault(
        "AEP's answers are lost", 1.0, _aep("lost", _share), LONG, shows=("aep takes events and its answer is lost",)
    ),
    Fault(
        "AEP slow", 0.7, _aep("slow", lambda draw: draw.choice((2.0, 10.0, 29.0))), LONG, shows=("aep answers slowly",)
    ),
    Fault(
        "AEP throttles",
        0.7,
        _aep("throttled", lambda draw: draw.choice((0.0, 1.0, 5.0, 20.0))),
        LONG,
        shows=("aep throttles and says for how long",),
    ),
    Fault(
        "AEP throttles for long",
        0.2,
        _aep("throttled", None),
        (90.0, 200.0),
        shows=("aep throttles", "told: throttled"),
    ),
    Fault(
        "AEP refuses credentials",
        0.7,
        _aep("unauthorized"),
        LONG,
        shows=("aep refuses credentials", "told: credentials refused"),
    ),
    Fault("AEP misconfigured", 0.4, _aep("misconfigured"), LONG, shows=("aep knows no such inlet",)),
    Fault("AEP fails", 1.0, _aep("errors", _share), LONG, shows=("aep fails and the data may be why", "aep fails")),
    Fault("AEP mismatched", 0.5, _aep("mismatched", _share), LONG, shows=("aep answers something else",)),
    Fault("AEP short of verdicts", 0.4, _aep("short", _share), LONG, shows=("aep gives too few verdicts",)),
    Fault("AEP puts off events", 0.7, _aep("items", _share), LONG, shows=("aep puts off an event of a request",)),
    Fault("AEP puts off all", 0.4, _aep("all_items", _share), LONG, shows=("aep puts off each event of a request",)),
    Fault("AEP raises", 0.3, _aep("raises", _share), LONG, shows=("the destination breaks its word and raises",)),
    Fault(
        "dead letters refused",
        1.0,
        _letters("refuses"),
        LONG,
        shows=("dead letters are refused", "told: dead letters refused"),
    ),
    Fault("dead letters silent", 0.4, _letters("hangs"), LONG, shows=("dead letters are not confirmed",)),
    Fault(
        "dead letters' answers are lost",
        0.7,
        _letters("lost"),
        LONG,
        shows=("dead letters are stored and the answer is lost",),
    ),
    Fault("dead letters late", 0.7, _letters("late"), LONG, shows=("dead letters are confirmed late",)),
    Fault("dead-letter topic gone", 0.3, _letters("no topic"), LONG),
    Fault(
        "state cannot be written",
        0.7,
        _state("fails", 1.0),
        LONG,
        shows=("state cannot be written", "told: state cannot be written"),
        where=_remembers,
    ),
    Fault(
        "state is written now and then",
        0.7,
        _state("fails", _share),
        LONG,
        shows=("state cannot be written",),
        where=_remembers,
    ),
    Fault(
        "state writes' answers are lost",
        0.7,
        _state("lost", _share),
        LONG,
        shows=("state is stored and the answer is lost",),
        where=_remembers,
    ),
    Fault(
        "state is written long after",
        0.7,
        _state("later", _share),
        LONG,
        shows=("state is stored long after its writer was told that it is not",),
        where=_remembers,
    ),
    Fault("state topic is compacted", 1.0, _compact, where=_remembers),
    Fault("producer broken", 0.3, _letters("broken"), SHORT, shows=("the producer's sender dies",)),
)
