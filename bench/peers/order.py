"""What a peer is told: addresses, headers and the constant bytes around an event. Standard library only."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """One peer's work."""

    bootstrap: str
    topic: str
    group: str
    url: str
    headers: dict[str, str]
    head: bytes
    tail: bytes


def read_order() -> Order:
    """The order in the environment."""
    told = json.loads(os.environ["BENCH_ORDER"])
    return Order(
        told["bootstrap"],
        told["topic"],
        told["group"],
        told["url"],
        told["headers"],
        told["head"].encode(),
        told["tail"].encode(),
    )
