"""How delivery goes about its requests: the frozen values that a destination's settings come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable


def _whole() -> float:
    return 1.0


@dataclass(frozen=True, slots=True)
class Budget:
    """A rate limit of the destination beside requests and events: ``units`` in any window of ``seconds``, 0 for none.

    ``weigh`` gives the units of one encoded element; without it a request is one unit. ``name`` labels
    ``bridge_rate_limited_seconds_total``. All routes and processes to one account share its budgets (``DeliveryPolicy.account``).
    """

    name: str
    units: float
    seconds: float = 60.0
    weigh: Callable[[bytes], int] | None = None


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """Rates are per second, for all workers together, 0 for none; a worker has its ``share`` (above 0, at most 1) of them.

    ``linger``: seconds that a request may wait to be filled. ``batch_bytes`` and ``batch_events``: the most of one request.
    ``ceiling``: the most requests under way. ``by_key``: the events of one key leave one after the other.
    ``account``: whose ``budgets`` and rates they are. ``fold``: with ``by_key``, one element that does what two of a key do, one after the
    other, or None where there is none; those that wait are folded, and have their verdict together.
    ``circuit_threshold``: failures in a row after which the destination counts as away. ``postponed_tries``: after how many
    tries an event that the destination keeps postponing is given up; 0 for never.
    ``rate_share``: into how many equal parts the workers divide the rates, or ``auto``: by the partitions they own.
    """

    linger: float = 0.5
    batch_bytes: int = 1_000_000
    batch_events: int = 10_000
    ceiling: int = 16
    requests_per_second: float = 0.0
    events_per_second: float = 0.0
    budgets: tuple[Budget, ...] = ()
    account: str = ""
    fold: Callable[[bytes, bytes], bytes | None] | None = None
    share: Callable[[], float] = _whole
    rate_share: int | Literal["auto"] = "auto"
    by_key: bool = False
    circuit_threshold: int = 5
    postponed_tries: int = 0
