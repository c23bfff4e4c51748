"""What a run must have met to be worth its name: every fault, every answer, and the interleavings that once lost something."""

from simulation.faults import FAULTS

_OFTEN, _RARELY = 3_600.0, 4 * 3_600.0
"""Virtual seconds after which each of a kind must have been met at least once."""

INTERLEAVINGS = (
    "a rebalance between fetch and arrival",
    "a fetch arrives for a place that is left",
    "revoked with events under way",
    "told to stop while commits fail",
    "told to stop during a rebalance",
    "killed with dead letters under way",
    "the stream's queue is emptied with chunks in it",
    "commit fails",
    "commit is answered late",
    "commit succeeds and its answer is lost",
    "commit is refused: unknown",
    "heartbeat is refused: rebalancing",
    "heartbeat is refused: unknown",
    "brokers are away",
    "brokers do not answer",
    "a partition has no leader",
    "a batch is damaged",
    "a record cannot be parsed",
    "compaction leaves a gap",
    "the client jumps over what retention deleted",
    "retention deletes what was not delivered",
    "transaction committed",
    "transaction aborted",
    "tombstone",
    "record is not JSON",
    "record is no event",
    "batch record",
    "batch record without events",
    "mapping refuses an event",
    "mapping raises",
    "the route remembers what was accepted",
    "the route remembers nothing",
    "state cannot be written",
    "state is stored and the answer is lost",
    "state is stored long after its writer was told that it is not",
    "order by key",
    "order by none",
    "aep answers slowly",
    "aep does not answer",
    "aep takes events and its answer is lost",
    "aep is away",
    "aep refuses credentials",
    "aep knows no such inlet",
    "aep throttles and says for how long",
    "aep throttles",
    "aep fails and the data may be why",
    "aep fails",
    "aep fails on an event",
    "aep answers something else",
    "aep gives too few verdicts",
    "the destination breaks its word and raises",
    "aep finds a request too large",
    "aep refuses a request and does not say why",
    "aep refuses an event of a request",
    "aep puts off each event of a request",
    "aep puts off an event for long",
    "aep puts off an event of a request",
    "dead letters are refused",
    "dead letters are not confirmed",
    "dead letters are stored and the answer is lost",
    "dead letters are confirmed late",
    "the producer's sender dies",
    "worker stops with everything done",
    "worker stops with work left",
    "told: destination away",
    "told: credentials refused",
    "told: dead letters refused",
    "told: state cannot be written",
    "told: brokers away",
    "told: not in the group",
    "told: unreadable",
)
RARE = ("told: throttled", "a rebalance during a commit", "a chunk of an assignment that is over reaches the stream")


def missing(counters, seconds):
    """What a run of so many virtual seconds ought to have met and has not; a short run owes nothing."""
    wanted = []
    if seconds >= _OFTEN:
        wanted += [*(f"fault: {fault.name}" for fault in FAULTS), *INTERLEAVINGS]
    if seconds >= _RARELY:
        wanted += RARE
    return [what for what in wanted if not counters[what]]
