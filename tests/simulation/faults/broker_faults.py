"""What can go wrong with the brokers: they are away, silent, late, or refuse one kind of request."""

from simulation.faults.fault import LONG, Fault
from simulation.faults.modes import brokers_mode, some_share


def _no_leader(world, draw):
    partition = draw.choice(world.partitions)
    world.cluster.away[partition] = True
    return lambda: world.cluster.away.pop(partition, None)


BROKER_FAULTS = (
    Fault("brokers away", 0.7, brokers_mode("away"), LONG, shows=("brokers are away",)),
    Fault("brokers silent", 0.5, brokers_mode("silent"), LONG, shows=("brokers do not answer",)),
    Fault("partition without leader", 0.5, _no_leader, LONG, shows=("a partition has no leader",)),
    Fault("commits fail", 1.5, brokers_mode("commit fails", some_share), LONG, shows=("commit fails",)),
    Fault(
        "commits' answers are lost",
        1.5,
        brokers_mode("commit lost", some_share),
        LONG,
        shows=("commit succeeds and its answer is lost",),
    ),
    Fault(
        "commits are answered late",
        1.2,
        brokers_mode("commit late", some_share),
        LONG,
        shows=("commit is answered late",),
    ),
    Fault("fetches fail", 0.5, brokers_mode("fetch fails", some_share), LONG, shows=("fetch fails",)),
    Fault("fetches are late", 0.5, brokers_mode("fetch late", 0.3), LONG),
    Fault("heartbeats fail", 0.5, brokers_mode("heartbeat fails", some_share), LONG, shows=("heartbeat fails",)),
    Fault("joining fails", 0.5, brokers_mode("join fails", some_share), LONG),
    Fault("offsets are not told", 0.5, brokers_mode("list offsets fails", some_share), LONG),
)
