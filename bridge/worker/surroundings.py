"""What a worker takes of the process that it runs in: signals, the telemetry port, the heap, randomness, Kafka's clients.

Everything else of a worker is the same wherever it runs, so that a simulation can run it whole on virtual time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from bridge.kafka.consumer.stream.app import build_app
from bridge.kafka.producer.publisher import KafkaPublisher
from bridge.kafka.retention import watch_retention
from bridge.kafka.route_state.state_log import StateLog
from bridge.kafka.state_topic import StateTopic
from bridge.runtime.dead_man import DeadMansSwitch
from bridge.runtime.heap import freeze_startup_objects, give_back_regularly
from bridge.runtime.signals import cut_off_after, install
from bridge.telemetry.health import TelemetryServer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The process as it is.

    ``install`` has a handler called with the number of each signal that asks for an end; ``leave_now`` ends the process with
    an exit code, and ``cut_off_after`` does so after a number of seconds. ``stream``, ``publisher``, ``state``,
    ``state_log`` and ``watch_retention`` are what speaks to Kafka; ``switch`` ends a process whose loop hangs.
    ``settle`` and ``tend`` look after the heap, once the worker is at work and from then on.
    """

    random: Callable[[], Random] = Random
    install: Callable[[Callable[[int], None]], None] = install
    leave_now: Callable[[int], Any] = os._exit
    cut_off_after: Callable[[float], None] = cut_off_after
    switch: Callable[[float], DeadMansSwitch] = DeadMansSwitch
    telemetry: Callable[..., TelemetryServer] = TelemetryServer
    publisher: Callable[..., KafkaPublisher] = KafkaPublisher
    stream: Callable[..., Any] = build_app
    state: Callable[..., StateTopic] = StateTopic
    state_log: Callable[..., StateLog] = StateLog
    watch_retention: Callable[..., Coroutine[Any, Any, None]] = watch_retention
    settle: Callable[[], None] = freeze_startup_objects
    tend: Callable[[], Coroutine[Any, Any, None]] = give_back_regularly


PROCESS = Surroundings()
