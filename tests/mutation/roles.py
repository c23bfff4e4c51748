"""Which modules decide about the promise, by their role, and which tests are fast enough to judge a change of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Role:
    """One responsibility in the path of an event, and the modules that carry it.

    ``name``: the responsibility; it stays when files move. ``modules``: dotted names.
    """

    name: str
    modules: tuple[str, ...]


ROLES = (
    Role(
        "ledger",
        (
            "bridge.kafka.consumer.ledger",
            "bridge.kafka.consumer.chunk",
            "bridge.kafka.consumer.client.offset_account",
            "bridge.kafka.consumer.client.deleted_logs",
            "bridge.kafka.topic_identity",
        ),
    ),
    Role(
        "transport",
        (
            "bridge.kafka.consumer.consumption",
            "bridge.kafka.consumer.record_runs",
            "bridge.kafka.consumer.stream.transport",
        ),
    ),
    Role(
        "client thread",
        (
            "bridge.kafka.consumer.stream.client_thread",
            "bridge.kafka.consumer.client.fetching",
            "bridge.kafka.consumer.client.unread_places",
            "bridge.kafka.consumer.client.kept_records",
            "bridge.kafka.consumer.client.kafka_client",
            "bridge.kafka.consumer.client.aiokafka_client",
            "bridge.kafka.consumer.client.stored_batch",
            "bridge.kafka.consumer.client.batch_runs",
            "bridge.kafka.consumer.client.given_before",
            "bridge.kafka.consumer.client.damage_reading",
            "bridge.kafka.batches.batches_in_place",
        ),
    ),
    Role("gate", ("bridge.kafka.consumer.gate",)),
    Role("drain", ("bridge.worker.drain",)),
    Role("stopping", ("bridge.worker.stopping",)),
    Role(
        "publisher",
        (
            "bridge.kafka.producer.publisher",
            "bridge.kafka.producer.lanes",
            "bridge.kafka.producer.key_hash",
            "bridge.kafka.producer.isolation",
            "bridge.kafka.producer.refusal",
            "bridge.kafka.topic_limits",
            "bridge.kafka.producer.producer_connection",
        ),
    ),
    Role(
        "dead letters",
        (
            *(
                "bridge.kafka.dead_letters.store",
                "bridge.kafka.producer.letter_store",
                "bridge.kafka.dead_letters.refused_parts",
            ),
            "bridge.model.letter_fit",
        ),
    ),
    Role(
        "delivery",
        (
            "bridge.delivery.delivery",
            "bridge.delivery.answers",
            "bridge.delivery.probes",
            "bridge.delivery.batching",
            "bridge.delivery.ordering",
            "bridge.delivery.window_budget",
        ),
    ),
    Role("intake", ("bridge.worker.chunk_mapping", "bridge.worker.chunk_counts")),
    Role(
        "flow control",
        (
            "bridge.delivery.flow_control",
            "bridge.delivery.rate_limits",
            "bridge.delivery.concurrency",
            "bridge.delivery.throttle",
            "bridge.delivery.pacing",
            "bridge.delivery.rate_share",
            "bridge.delivery.waiting",
        ),
    ),
    Role(
        "settlement",
        (
            "bridge.delivery.settlement",
            "bridge.delivery.blame",
            "bridge.delivery.evidence",
            "bridge.delivery.standing",
        ),
    ),
    Role(
        "watchdog",
        (
            "bridge.worker.watch.watchdog",
            "bridge.worker.watch.progress",
            "bridge.worker.watch.ages",
            "bridge.worker.watch.standstill",
            "bridge.worker.supervision",
        ),
    ),
    Role(
        "lag",
        (
            "bridge.kafka.consumer.lag",
            "bridge.kafka.consumer.reading",
            "bridge.kafka.retention",
        ),
    ),
    Role(
        "accepted state",
        (
            "bridge.worker.accepted_state.fenced_state",
            "bridge.worker.accepted_state.restoring",
            "bridge.worker.accepted_state.shelf",
            "bridge.worker.accepted_state.state_keeper",
            "bridge.worker.accepted_state.storing",
            "bridge.sources.adobe.membership",
        ),
    ),
    Role(
        "restarts",
        (
            "bridge.worker.restart_memory.memory",
            "bridge.worker.restart_memory.marks",
            "bridge.kafka.state_topic",
        ),
    ),
)

LONG = frozenset({"tests/delivery/test_many_suspects.py"})
"""Tests of hundreds of events over hours: together they take longer than all others, and of one line they show nothing more."""


def module_path(module: str) -> Path:
    """Source file of a module of this project."""
    return ROOT / (module.replace(".", "/") + ".py")


def fast_test_files(modules: Iterable[str]) -> list[str]:
    """Test files that run in process and beside these modules, in the folder of the same room; as paths below the project.

    Those of other rooms use the modules only to show something else. What needs processes, brokers, or a clock of its own has a
    folder of its own (tests/system, tests/chaos, ...).
    """
    rooms = {module.split(".")[1] for module in modules}
    found = sorted(path for room in rooms for path in (ROOT / "tests" / room).glob("**/test_*.py"))
    return [file for path in found if (file := str(path.relative_to(ROOT))) not in LONG]
