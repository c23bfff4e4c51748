"""What can go wrong with the topics that the bridge writes: dead letters, the route's state, and the producer of both."""

from simulation.faults.fault import LONG, SHORT, Fault
from simulation.faults.modes import letters_mode, some_share, state_mode


def _compact(world, draw):
    world.route_state.compact()


def _remembers(world):
    return world.remembers


TOPIC_FAULTS = (
    Fault(
        "dead letters refused",
        1.0,
        letters_mode("refuses"),
        LONG,
        shows=("dead letters are refused", "told: dead letters refused"),
    ),
    Fault("dead letters silent", 0.4, letters_mode("hangs"), LONG, shows=("dead letters are not confirmed",)),
    Fault(
        "dead letters' answers are lost",
        0.7,
        letters_mode("lost"),
        LONG,
        shows=("dead letters are stored and the answer is lost",),
    ),
    Fault("dead letters late", 0.7, letters_mode("late"), LONG, shows=("dead letters are confirmed late",)),
    Fault("dead-letter topic gone", 0.3, letters_mode("no topic"), LONG),
    Fault(
        "state cannot be written",
        0.7,
        state_mode("fails", 1.0),
        LONG,
        shows=("state cannot be written", "told: state cannot be written"),
        where=_remembers,
    ),
    Fault(
        "state is written now and then",
        0.7,
        state_mode("fails", some_share),
        LONG,
        shows=("state cannot be written",),
        where=_remembers,
    ),
    Fault(
        "state writes' answers are lost",
        0.7,
        state_mode("lost", some_share),
        LONG,
        shows=("state is stored and the answer is lost",),
        where=_remembers,
    ),
    Fault(
        "state is written long after",
        0.7,
        state_mode("later", some_share),
        LONG,
        shows=("state is stored long after its writer was told that it is not",),
        where=_remembers,
    ),
    Fault("state topic is compacted", 1.0, _compact, where=_remembers),
    Fault("producer broken", 0.3, letters_mode("broken"), SHORT, shows=("the producer's sender dies",)),
)
