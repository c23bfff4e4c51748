"""What can go wrong with the destination: it is away, silent, slow, throttles, refuses, or answers in every wrong way."""

from simulation.faults.fault import LONG, Fault
from simulation.faults.modes import aep_mode, brokers_mode, some_share


def _all_away(world, draw):
    """What the workers have they keep, so that it is they whom the brokers' absence troubles."""
    ends = [aep_mode("down")(world, draw), brokers_mode("away")(world, draw)]

    def end():
        for each in ends:
            each()

    return end


AEP_FAULTS = (
    Fault("brokers and AEP away", 0.2, _all_away, LONG, shows=("told: brokers away",)),
    Fault("AEP away", 1.5, aep_mode("down"), LONG, shows=("aep is away", "told: destination away")),
    Fault("AEP silent", 0.7, aep_mode("hang", some_share), LONG, shows=("aep does not answer",)),
    Fault(
        "AEP's answers are lost",
        1.0,
        aep_mode("lost", some_share),
        LONG,
        shows=("aep takes events and its answer is lost",),
    ),
    Fault(
        "AEP slow",
        0.7,
        aep_mode("slow", lambda draw: draw.choice((2.0, 10.0, 29.0))),
        LONG,
        shows=("aep answers slowly",),
    ),
    Fault(
        "AEP throttles",
        0.7,
        aep_mode("throttled", lambda draw: draw.choice((0.0, 1.0, 5.0, 20.0))),
        LONG,
        shows=("aep throttles and says for how long",),
    ),
    Fault(
        "AEP throttles for long",
        0.2,
        aep_mode("throttled", None),
        (90.0, 200.0),
        shows=("aep throttles", "told: throttled"),
    ),
    Fault(
        "AEP refuses credentials",
        0.7,
        aep_mode("unauthorized"),
        LONG,
        shows=("aep refuses credentials", "told: credentials refused"),
    ),
    Fault("AEP misconfigured", 0.4, aep_mode("misconfigured"), LONG, shows=("aep knows no such inlet",)),
    Fault(
        "AEP fails", 1.0, aep_mode("errors", some_share), LONG, shows=("aep fails and the data may be why", "aep fails")
    ),
    Fault("AEP mismatched", 0.5, aep_mode("mismatched", some_share), LONG, shows=("aep answers something else",)),
    Fault("AEP short of verdicts", 0.4, aep_mode("short", some_share), LONG, shows=("aep gives too few verdicts",)),
    Fault(
        "AEP puts off events", 0.7, aep_mode("items", some_share), LONG, shows=("aep puts off an event of a request",)
    ),
    Fault(
        "AEP puts off all",
        0.4,
        aep_mode("all_items", some_share),
        LONG,
        shows=("aep puts off each event of a request",),
    ),
    Fault(
        "AEP raises", 0.3, aep_mode("raises", some_share), LONG, shows=("the destination breaks its word and raises",)
    ),
)
