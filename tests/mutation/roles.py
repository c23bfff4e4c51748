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


def _pipeline(*names: str) -> tuple[str, ...]:
    return tuple(f"bridge.pipeline.{name}" for name in names)


ROLES = (
    Role("ledger", _pipeline("ledger", "offset_account")),
    Role("transport", _pipeline("consumption", "transport")),
    Role("client thread", _pipeline("client_thread", "fetching", "unread_places", "kafka_client", "stored_batch")),
    Role("gate", _pipeline("gate")),
    Role("drain", _pipeline("drain")),
    Role("stopping", _pipeline("stopping")),
    Role(
        "publisher",
        _pipeline("publisher", "lanes", "isolation", "refusal", "topic_limits", "producer_connection"),
    ),
    Role("dead letters", (*_pipeline("dead_letters", "letter_store", "refused_parts"), "bridge.letter_fit")),
    Role("flow control", _pipeline("brakes", "concurrency", "throttle", "pacing", "sharing", "waiting")),
    Role("settlement", _pipeline("settlement", "suspicion", "standing")),
    Role("watchdog", _pipeline("watchdog", "progress", "ages", "standstill", "supervision")),
    Role("lag", _pipeline("lag", "reading", "retention")),
    Role("restarts", _pipeline("restart_memory", "restart_marks", "state_topic")),
)

FAST = ("tests/unit", "tests/property", "tests/simulation")
"""Folders whose tests run in process, without brokers."""


def module_path(module: str) -> Path:
    """Source file of a module of this project."""
    return ROOT / (module.replace(".", "/") + ".py")


def fast_test_files() -> list[str]:
    """Test files that run in process, as paths below the project."""
    return [str(path.relative_to(ROOT)) for folder in FAST for path in sorted((ROOT / folder).glob("test_*.py"))]
