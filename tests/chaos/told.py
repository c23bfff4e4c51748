"""Was it told? For each fault what an operator must have seen of it, and within how many seconds, and which alert it raises. Pure.

A fault that ends sooner than its bound need not be seen. One that is not in the table is a failure of the run: nobody has
thought about who sees it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerting import within
from faults_topics import ABSENCE_TOLD
from stage import HANG_SECONDS
from watching import Observation, between

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from alerting import Standing
    from report import Done

_AFTER = 3.0
"""Seconds after its end in which a fault may still show: a look takes some time itself."""
_RAISED = 5.0
"""Seconds for which a state stands before its alert must: a scrape and a look at the rules take two."""
_AFTER_SCRAPE = 6.0
"""The same for an alert: Prometheus looks once a second, and judges its rules once a second."""

Sign = "Callable[[Sequence[Observation]], bool]"


@dataclass(frozen=True, slots=True)
class Told:
    """What must be seen of a kind of fault, by any one of ``signs``, when it lasts longer than ``within`` seconds.

    ``by_answers``: it lies in what AEP or IMS answer; where no request met it, there is nothing to see. ``holding``: it meets
    who has events to deliver, and lasts as long as one process has some all the time. ``reading``: it meets who reads on, and
    lasts from when somebody does.
    """

    within: float
    signs: tuple[Callable[[Sequence[Observation]], bool], ...]
    by_answers: bool = False
    holding: bool = False
    reading: bool = False


@dataclass(frozen=True, slots=True)
class Tolerated:
    """A kind of fault that the bridge or Kafka makes up for: nothing need be seen of it, and ``why``."""

    why: str


def unready(*names: str) -> Callable[[Sequence[Observation]], bool]:
    """Some process is not ready for one of these reasons; for any reason when none is named."""
    return lambda seen: any(not names or set(names) & set(each.reasons) for each in seen if each.reasons)


def silent(seen: Sequence[Observation]) -> bool:
    """Some process does not answer."""
    return any(not each.answers for each in seen)


def above(metric: str, value: float = 0.0) -> Callable[[Sequence[Observation]], bool]:
    """A metric of some process is larger than ``value``."""
    return lambda seen: any(each.metrics.get(metric, 0.0) > value for each in seen)


def logged(*names: str) -> Callable[[Sequence[Observation]], bool]:
    """Some process has written a log line of one of these names."""
    return lambda seen: any(set(names) & each.lines for each in seen)


def _risen(metric: str, seen: Sequence[Observation]) -> Iterator[Observation]:
    lowest: dict[str, float] = {}
    for each in seen:
        if each.metrics:
            # A counter with labels is not there before it counts.
            value = each.metrics.get(metric, 0.0)
            if value > lowest.setdefault(each.process, value):
                yield each
            lowest[each.process] = value


def rises(metric: str) -> Callable[[Sequence[Observation]], bool]:
    """A counter of some process goes up meanwhile."""
    return lambda seen: any(True for _ in _risen(metric, seen))


def shown_for(metric: str, seen: Sequence[Observation]) -> float:
    """The longest time for which a process whose counter had gone up was there to show it, in seconds."""
    longest = 0.0
    looks = [each for each in seen if not each.lines]
    for risen in _risen(metric, looks):
        last = risen.at
        for each in (each for each in looks if each.process == risen.process and each.at > risen.at):
            if not each.answers:
                break
            last = each.at
        longest = max(longest, last - risen.at)
    return longest


_AWAY = (unready("destination"), above("bridge_circuit_open"))
_RETRIED = (rises("bridge_retries_total"), *_AWAY)
_NOBODY = (*_AWAY, unready("credentials"))
"""AEP and IMS away together: whoever has no token yet, started anew, meets IMS first."""
_REFUSED = (unready("credentials"), above("bridge_delivery_held"), rises("bridge_token_refreshes_total"))
_RENEWED = (logged("tls_files_read_again"), silent)
"""Whoever was started anew has read the new files without a word."""

EXPECTED: Mapping[str, Told | Tolerated] = {
    "aep_outage": Told(6, _NOBODY, holding=True),
    "aep_away_for_long": Told(6, _NOBODY, holding=True),
    "aep_429_seconds": Told(4, (*_RETRIED, above("bridge_throttled")), by_answers=True),
    "aep_429_date": Told(4, (*_RETRIED, above("bridge_throttled")), by_answers=True),
    "aep_throttled_for_long": Told(65, (above("bridge_throttled"), unready("throttled")), holding=True),
    "aep_503": Told(6, _AWAY, holding=True),
    "aep_503_half": Told(4, _RETRIED, by_answers=True),
    "aep_500": Told(6, _RETRIED, by_answers=True),
    "aep_hang_before": Told(5, _RETRIED, by_answers=True),
    "aep_hang_after": Told(5, _RETRIED, by_answers=True),
    "aep_reset_before": Told(4, _RETRIED, by_answers=True),
    "aep_reset_after": Told(4, _RETRIED, by_answers=True),
    "aep_answers_short": Told(4, _RETRIED, by_answers=True),
    "aep_items_transient_documented": Told(4, _RETRIED, by_answers=True),
    "aep_items_transient_current": Told(4, _RETRIED, by_answers=True),
    "aep_items_rejected_documented": Tolerated("the events become dead letters, which the account explains one by one"),
    "aep_items_rejected_current": Tolerated("the events become dead letters, which the account explains one by one"),
    "aep_items_postponed_for_ever": Told(20, (unready(), above("bridge_oldest_open_seconds", 15))),
    "aep_400_for_the_whole": Tolerated("the request is divided, and its events become dead letters"),
    "aep_413": Tolerated("the request is divided until its parts are taken"),
    "aep_slow": Tolerated("nothing fails; bridge_delivery_seconds shows it"),
    "dns_failure": Told(16, _NOBODY, holding=True),
    "ims_token_revoked": Tolerated("one fresh token mends it"),
    "ims_tokens_short_lived": Tolerated("fresh tokens mend it"),
    "ims_down": Told(6, (*_REFUSED, *_AWAY), holding=True),
    "ims_secret_rotated": Told(4, _REFUSED, holding=True),
    "ims_secret_wrong_for_long": Told(4, _REFUSED, holding=True),
    "broker_restarted": Tolerated("two of three replicas go on"),
    "broker_kill9": Tolerated("two of three replicas go on"),
    "broker_disk_full": Tolerated("two of three replicas go on"),
    "broker_paused": Tolerated("two of three replicas go on"),
    "kafka_certificates_renewed": Told(2, _RENEWED),
    "topic_deleted": Told(ABSENCE_TOLD, (unready("topic"), logged("refusing_requests"))),
    "damaged_batch": Told(12, (above("bridge_unreadable_partitions"), unready()), reading=True),
    "retention_overtakes": Told(12, (rises("bridge_expired_records_total"), above("bridge_expired_records_total"))),
    "worker_kill9": Told(1, (silent,)),
    "worker_sigterm": Told(1, (silent, unready())),
    "worker_storm": Told(2, (silent,)),
    "worker_joins_and_leaves": Tolerated("the others take over its partitions"),
    "worker_paused": Told(1, (silent,)),
    "worker_paused_beyond_its_session": Told(1, (silent,)),
    "receiver_kill9": Told(1, (silent,)),
    "receiver_sigterm": Told(1, (silent, unready())),
    "receiver_storm": Told(2, (silent,)),
    "receiver_paused": Told(1, (silent,)),
    "receiver_certificate_renewed": Told(1, _RENEWED),
    "event_hangs_workers": Told(HANG_SECONDS + 5, (silent,)),
    "event_backtracks": Told(2, (rises("bridge_mapping_warnings_total"),)),
    "clock_jumps": Tolerated("nothing that decides about delivery looks at the wall clock"),
}


@dataclass(frozen=True, slots=True)
class Alarmed:
    """The alert that is pending or firing when the fault lasts longer than ``within`` seconds, with these labels.

    ``stood``: for how many seconds the state that it is about stood in what the processes showed, where another fault may keep
    that from coming about; that they show it is asked of :data:`EXPECTED`. ``met``: the number of requests that have to meet
    the fault. ``counter``: what it is about; where a worker went meanwhile, and no other shows it for long enough, the count
    may have gone with it before a scrape.
    """

    within: float
    alert: str
    labels: Mapping[str, str] = field(default_factory=dict)
    stood: Callable[[Sequence[Observation]], float] | None = None
    met: int = 0
    counter: str = ""


def standing_for(metric: str, *, every_worker: bool = False) -> Callable[[Sequence[Observation]], float]:
    """The longest time for which a metric was above zero: of any process that answers, or of each worker that does."""

    def longest(seen: Sequence[Observation]) -> float:
        state: dict[str, float] = {}
        since, found = math.inf, 0.0
        for look in sorted((each for each in seen if not each.lines), key=lambda each: each.at):
            if not look.answers:
                state.pop(look.process, None)
            elif metric in look.metrics:
                state[look.process] = look.metrics[metric]
            values = [value > 0 for process, value in state.items() if process.startswith("worker")]
            if values and (all(values) if every_worker else any(values)):
                since = min(since, look.at)
                found = max(found, look.at - since)
            else:
                since = math.inf
        return found

    return longest


_CIRCUIT = standing_for("bridge_circuit_open", every_worker=True)
_THROTTLED = Alarmed(65, "BridgeThrottled", stood=standing_for("bridge_throttled"))
_HELD = Alarmed(8, "BridgeHeld", stood=standing_for("bridge_delivery_held"))
_AWAY_ALERT = Alarmed(12, "BridgeCircuitOpen", stood=_CIRCUIT)
_REFUSAL_ALERT = Alarmed(
    1, "BridgeDeadLetters", {"stage": "deliver"}, met=3, counter="bridge_dead_letters_total{deliver}"
)
_RECEIVER_ALERT = Alarmed(5, "BridgeReceiverDown")
_OTHERS_WORK = Tolerated("the other workers go on; BridgeWorkerDown is for none that answers")
_BROKERS = Tolerated("two of three replicas go on; what watches Kafka itself tells it")
_MENDED = Tolerated("sent again at once; BridgeEventsAreOld when that does not help for a quarter of an hour")

ALERTS: Mapping[str, Alarmed | Tolerated] = {
    "aep_outage": _AWAY_ALERT,
    "aep_away_for_long": _AWAY_ALERT,
    "aep_429_seconds": _THROTTLED,
    "aep_429_date": _THROTTLED,
    "aep_throttled_for_long": _THROTTLED,
    "aep_503": _AWAY_ALERT,
    "aep_503_half": _MENDED,
    "aep_500": _AWAY_ALERT,
    "aep_hang_before": _MENDED,
    "aep_hang_after": _MENDED,
    "aep_reset_before": _MENDED,
    "aep_reset_after": _MENDED,
    "aep_answers_short": _MENDED,
    "aep_items_transient_documented": _MENDED,
    "aep_items_transient_current": _MENDED,
    "aep_items_rejected_documented": _REFUSAL_ALERT,
    "aep_items_rejected_current": _REFUSAL_ALERT,
    "aep_items_postponed_for_ever": Alarmed(35, "BridgeEventsPostponed", stood=standing_for("bridge_postponed_events")),
    "aep_400_for_the_whole": _REFUSAL_ALERT,
    "aep_413": Tolerated("the request is divided until its parts are taken"),
    "aep_slow": Tolerated("nothing fails; BridgeLagGrows when it is too slow for what comes"),
    "dns_failure": Alarmed(20, "BridgeCircuitOpen", stood=_CIRCUIT),
    "ims_token_revoked": Tolerated("one fresh token mends it"),
    "ims_tokens_short_lived": Tolerated("fresh tokens mend it"),
    "ims_down": Alarmed(15, "BridgeTokenRefreshFails", met=8),
    "ims_secret_rotated": _HELD,
    "ims_secret_wrong_for_long": _HELD,
    "broker_restarted": _BROKERS,
    "broker_kill9": _BROKERS,
    "broker_disk_full": _BROKERS,
    "broker_paused": _BROKERS,
    "kafka_certificates_renewed": Tolerated("the new files are used from the next connection on"),
    "topic_deleted": Alarmed(20, "BridgeReceiverTurnsAway"),
    "damaged_batch": Alarmed(15, "BridgePartitionUnreadable", stood=standing_for("bridge_unreadable_partitions")),
    "retention_overtakes": Alarmed(12, "BridgeRecordsExpired", counter="bridge_expired_records_total"),
    "worker_kill9": _OTHERS_WORK,
    "worker_sigterm": _OTHERS_WORK,
    "worker_storm": _OTHERS_WORK,
    "worker_joins_and_leaves": Tolerated("the others take over its partitions"),
    "worker_paused": _OTHERS_WORK,
    "worker_paused_beyond_its_session": _OTHERS_WORK,
    "event_hangs_workers": Alarmed(HANG_SECONDS, "BridgeDeadLetters", {"code": "hung"}),
    "event_backtracks": Alarmed(2, "BridgeDeadLetters", {"code": "required_missing"}),
    "receiver_kill9": _RECEIVER_ALERT,
    "receiver_sigterm": Tolerated("it answers until its requests are finished, and is started again at once"),
    "receiver_storm": _RECEIVER_ALERT,
    "receiver_paused": _RECEIVER_ALERT,
    "receiver_certificate_renewed": Tolerated("the new files are used from the next connection on"),
    "clock_jumps": Tolerated("nothing that decides about delivery looks at the wall clock"),
}


def _lasted(fault: Done, wanted: Told, looked: Sequence[Observation], began: float) -> float:
    """For how many seconds somebody met the fault."""
    if wanted.holding:
        return _held(looked)
    if wanted.reading:
        read = rises("bridge_consumed_records_total")
        first = next((n for n in range(1, len(looked) + 1) if read(looked[:n])), None)
        return 0.0 if first is None else began + fault.ended - looked[first - 1].at
    return fault.ended - fault.began


def _held(looked: Sequence[Observation]) -> float:
    """For how many seconds one process had events in flight, at the longest; one that does not answer begins anew."""
    held = standing_for("bridge_in_flight_events")
    return max(
        (held([each for each in looked if each.process == name]) for name in {each.process for each in looked}),
        default=0.0,
    )


def _looked_at(observations: Sequence[Observation], first: float, last: float) -> list[Observation]:
    """The looks from ``first`` to ``last``, and before them what the counters of each process had reached until then."""
    before = {each.process: each for each in observations if each.at < first and each.metrics}
    reached = [
        Observation(each.at, each.process, answers=True, reasons={}, metrics=counters)
        for each in before.values()
        if (counters := {name: value for name, value in each.metrics.items() if "_total" in name})
    ]
    return [*reached, *between(observations, first, last)]


def unalarmed(
    faults: Sequence[Done],
    observations: Sequence[Observation],
    standing: Sequence[Standing],
    began: float,
    *,
    harmless: Collection[float] = (),
) -> list[str]:
    """Faults that lasted longer than their alert's bound, and whose alert was neither pending nor firing; as :func:`unseen`."""
    found = []
    for fault in faults:
        wanted = ALERTS.get(fault.kind)
        if wanted is None:
            found.append(f"{fault.kind}: tests/chaos/told.py does not say which alert it raises")
        elif isinstance(wanted, Alarmed) and fault.ended - fault.began > wanted.within:
            told = within(standing, began + fault.began, began + fault.ended + _AFTER_SCRAPE)
            raised = any(each.name == wanted.alert and wanted.labels.items() <= each.labels.items() for each in told)
            first, last = began + fault.began, began + fault.ended
            looked = between(observations, first, last)
            counting = [
                each for each in _looked_at(observations, first, last + _AFTER_SCRAPE) if "worker" in each.process
            ]
            missed = (
                fault.began in harmless
                or (fault.struck is not None and fault.struck < wanted.met)
                or (wanted.stood is not None and wanted.stood(looked) < _RAISED)
                or (
                    wanted.counter
                    and any(not each.answers for each in counting)
                    and shown_for(wanted.counter, counting) < _RAISED
                )
            )
            if not missed and not raised:
                found.append(
                    f"{fault.kind} at {fault.began:g} s for {fault.ended - fault.began:.1f} s: no alert {wanted.alert}"
                )
    return found


def unseen(
    faults: Sequence[Done], observations: Sequence[Observation], began: float, *, harmless: Collection[float] = ()
) -> list[str]:
    """Faults that lasted longer than their bound and that nobody could see; ``began``: monotonic second 0 of the run.

    ``harmless``: when faults began that turned out to have done nothing (seconds of the run, as in the faults).
    """
    found = []
    for fault in faults:
        wanted = EXPECTED.get(fault.kind)
        if wanted is None:
            found.append(f"{fault.kind}: tests/chaos/told.py does not say what must be seen of it")
        elif isinstance(wanted, Told):
            first, last = began + fault.began, began + fault.ended
            looked = _looked_at(observations, first, last + _AFTER)
            if _lasted(fault, wanted, between(observations, first, last), began) <= wanted.within:
                continue
            missed = fault.began in harmless or (wanted.by_answers and fault.struck == 0)
            if not missed and not any(sign(looked) for sign in wanted.signs):
                found.append(
                    f"{fault.kind} at {fault.began:g} s for {fault.ended - fault.began:.1f} s: nothing told of it"
                )
    return found
