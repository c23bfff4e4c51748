"""Which modules decide about the promise, by their role, and which tests are fast enough to judge a change of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Role:
    """One responsibility in the path of an event, and the modules that carry it.

    ``name``: the responsibility; it stays when files move. ``modules``: dotted names.
    """

    name: str
    modules: tuple[str, ...]


ROLES = (
    Role("ledger", ("bridge.pipeline.ledger",)),
    Role("transport", ("bridge.pipeline.transport",)),
    Role("client thread", ("bridge.pipeline.client_thread",)),
    Role("gate", ("bridge.pipeline.gate",)),
    Role("drain", ("bridge.pipeline.drain",)),
    Role("stopping", ("bridge.pipeline.stopping",)),
    Role("publisher", ("bridge.pipeline.publisher",)),
    Role("dead letters", ("bridge.pipeline.dead_letters",)),
    Role("flow control", ("bridge.pipeline.brakes", "bridge.pipeline.concurrency")),
    Role("settlement", ("bridge.pipeline.settlement", "bridge.pipeline.suspicion")),
    Role("watchdog", ("bridge.pipeline.watchdog",)),
    Role("lag", ("bridge.pipeline.lag",)),
)

FAST = ("tests/unit", "tests/property", "tests/simulation")
"""Folders whose tests run in process, without brokers."""
_TOUCHES = ("bridge.pipeline", "virtual_delivery")


def module_path(module: str) -> Path:
    """Source file of a module of this project."""
    return ROOT / (module.replace(".", "/") + ".py")


def fast_test_files() -> list[str]:
    """Test files that run in process and use the worker's modules, as paths below the project."""
    found = []
    for folder in FAST:
        for path in sorted((ROOT / folder).glob("test_*.py")):
            text = path.read_text(encoding="utf-8")
            if any(name in text for name in _TOUCHES):
                found.append(str(path.relative_to(ROOT)))
    return found
