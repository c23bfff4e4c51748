"""Was it told? For each fault what an operator must have seen of it, and within how many seconds. Pure.

A fault that ends sooner than its bound need not be seen. One that is not in the table is a failure of the run: nobody has
thought about who sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watching import between

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from report import Done
    from watching import Observation

_AFTER = 3.0
"""Seconds after its end in which a fault may still show: a look takes some time itself."""

Sign = "Callable[[Sequence[Observation]], bool]"


@dataclass(frozen=True, slots=True)
class Told:
    """What must be seen of a kind of fault, by any one of ``signs``, when it lasts longer than ``within`` seconds.

    ``met``: a sign that anybody met the fault at all; a fault of answers that nobody asked for leaves nothing to see.
    """

    within: float
    signs: tuple[Callable[[Sequence[Observation]], bool], ...]
    met: Callable[[Sequence[Observation]], bool] = lambda _: True


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


def rises(metric: str) -> Callable[[Sequence[Observation]], bool]:
    """A counter of some process goes up meanwhile."""

    def sign(seen: Sequence[Observation]) -> bool:
        first: dict[str, float] = {}
        for each in seen:
            value = each.metrics.get(metric)
            if value is not None and value > first.setdefault(each.process, value):
                return True
        return False

    return sign


_asked = rises("bridge_delivery_requests_total")
_AWAY = (unready("destination"), above("bridge_circuit_open"))
_RETRIED = (rises("bridge_retries_total"), *_AWAY)
_REFUSED = (unready("credentials"), above("bridge_delivery_held"), rises("bridge_token_refreshes_total"))

EXPECTED: Mapping[str, Told | Tolerated] = {
    "aep_outage": Told(6, _AWAY),
    "aep_429_seconds": Told(4, (*_RETRIED, above("bridge_throttled")), _asked),
    "aep_429_date": Told(4, (*_RETRIED, above("bridge_throttled")), _asked),
    "aep_throttled_for_long": Told(65, (above("bridge_throttled"), unready("throttled"))),
    "aep_503": Told(6, _AWAY),
    "aep_503_half": Told(4, _RETRIED, _asked),
    "aep_500": Told(6, _RETRIED, _asked),
    "aep_hang_before": Told(5, _RETRIED, _asked),
    "aep_hang_after": Told(5, _RETRIED, _asked),
    "aep_reset_before": Told(4, _RETRIED, _asked),
    "aep_reset_after": Told(4, _RETRIED, _asked),
    "aep_answers_short": Told(4, _RETRIED, _asked),
    "aep_items_transient_documented": Told(4, _RETRIED, _asked),
    "aep_items_transient_current": Told(4, _RETRIED, _asked),
    "aep_items_rejected_documented": Tolerated("the events become dead letters, which the account explains one by one"),
    "aep_items_rejected_current": Tolerated("the events become dead letters, which the account explains one by one"),
    "aep_items_postponed_for_ever": Told(20, (unready(), above("bridge_oldest_open_seconds", 15))),
    "aep_400_for_the_whole": Tolerated("the request is divided, and its events become dead letters"),
    "aep_413": Tolerated("the request is divided until its parts are taken"),
    "aep_slow": Tolerated("nothing fails; bridge_delivery_seconds shows it"),
    "dns_failure": Told(16, _AWAY),
    "ims_token_revoked": Tolerated("one fresh token mends it"),
    "ims_tokens_short_lived": Tolerated("fresh tokens mend it"),
    "ims_down": Told(6, (*_REFUSED, *_AWAY)),
    "ims_secret_rotated": Told(4, _REFUSED),
    "broker_restarted": Tolerated("two of three replicas go on"),
    "broker_kill9": Tolerated("two of three replicas go on"),
    "broker_disk_full": Tolerated("two of three replicas go on"),
    "broker_paused": Tolerated("two of three replicas go on"),
    "damaged_batch": Told(12, (above("bridge_unreadable_partitions"), unready())),
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
    "clock_jumps": Tolerated("nothing that decides about delivery looks at the wall clock"),
}


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
        elif isinstance(wanted, Told) and fault.ended - fault.began > wanted.within:
            looked = between(observations, began + fault.began, began + fault.ended + _AFTER)
            if fault.began not in harmless and wanted.met(looked) and not any(sign(looked) for sign in wanted.signs):
                found.append(
                    f"{fault.kind} at {fault.began:g} s for {fault.ended - fault.began:.1f} s: nothing told of it"
                )
    return found
