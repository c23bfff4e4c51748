"""Makes beforehand what some tests need and what takes long to make: environments for others' programs, and what starts a Kafka.

Whoever needs one of them meanwhile waits for it at its lock; what cannot be made is told by the tests that need it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from pinned_environment import EnvironmentUnavailable, installed

from bridge.testing.kafka.broker import archived_classes
from bridge.testing.kafka.jars import BrokerUnavailableError

ROOT = Path(__file__).resolve().parents[2]
_PINS = "-requirements.txt"


def environments() -> dict[Path, Path]:
    """Folders below ``.make``, and the pins of each: those of ``NAME-requirements.txt`` are in ``NAME``."""
    return {
        ROOT / ".make" / pins.name.removesuffix(_PINS): pins for pins in sorted((ROOT / "tests").rglob(f"*{_PINS}"))
    }


def main() -> None:
    """Make all, one after the other."""
    with contextlib.suppress(BrokerUnavailableError):
        archived_classes()
    for environment, pins in environments().items():
        with contextlib.suppress(EnvironmentUnavailable):
            installed(environment, pins)


if __name__ == "__main__":
    main()
