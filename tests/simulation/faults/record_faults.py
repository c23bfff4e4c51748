"""What can go wrong with the records themselves: damage, transactions, retention, and too many at once."""

from simulation.faults.fault import LONG, Fault


def _always(_world):
    return True


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


RECORD_FAULTS = (
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
)
