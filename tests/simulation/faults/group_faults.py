"""What can go wrong with the workers' group: rebalances at any moment, and members that are thrown out."""

from simulation.faults.fault import Fault
from simulation.faults.modes import brokers_mode


def _forgets(world):
    """Where nothing is remembered offsets are committed without asking first whether one is still a member."""
    return not world.remembers


def disturb(world, draw):
    """The coordinator asks all members to join anew, now and once more at the end."""
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


def _rejoin_while_late(what):
    """A rebalance that all notice at once, while the answers to one kind of request are late."""

    def begin(world, draw):
        end = brokers_mode(f"{what} late", 0.8)(world, draw)
        world.loop.outside(draw.random() * 2.0, _all_rejoin, world, draw)
        return end

    return begin


def _throw_out(world, draw):
    members = sorted(world.cluster.coordinator.members)
    if members:
        world.cluster.coordinator.throw_out(draw.choice(members))


def _throw_out_unheard(world, draw):
    """Who is thrown out and hears of it by no heartbeat goes on until its commit is refused."""
    end = brokers_mode("heartbeat fails", 1.0)(world, draw)
    _throw_out(world, draw)
    return end


GROUP_FAULTS = (
    Fault("rebalance without a reason", 1.5, disturb, (0.0, 0.01, 0.1, 1.0)),
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
)
