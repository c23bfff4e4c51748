"""What a worker takes of the process that it runs in: signals, the telemetry port, the heap, randomness, Kafka's clients.

Everything else of a worker is the same wherever it runs, so that a simulation can run it whole on virtual time.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from bridge.kafka.consumer.app import build_app
from bridge.kafka.producer.publisher import KafkaPublisher
from bridge.kafka.retention import watch_retention
from bridge.kafka.state_topic import StateTopic
from bridge.runtime.dead_man import DeadMansSwitch
from bridge.runtime.heap import give_back_regularly, leave_the_living_alone
from bridge.runtime.process import cut_off_after
from bridge.telemetry.health import TelemetryServer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def _take_signals(handle: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handle, signal.Signals(number).name)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The process as it is.

    ``take_signals`` has a handler called with the name of each signal that asks for an end; ``leave_now`` ends the process at
    once, and ``cut_off_after`` does so in so many seconds. ``stream``, ``publisher``, ``state`` and
    ``watch_retention`` are what speaks to Kafka; ``switch`` ends a process whose loop hangs.
    ``settle`` and ``tend`` look after the heap, once the worker is at work and from then on.
    """

    random: Callable[[], Random] = Random
    take_signals: Callable[[Callable[[str], None]], None] = _take_signals
    leave_now: Callable[[int], Any] = os._exit
    cut_off_after: Callable[[float], None] = cut_off_after
    switch: Callable[[float], DeadMansSwitch] = DeadMansSwitch
    telemetry: Callable[..., TelemetryServer] = TelemetryServer
    publisher: Callable[..., KafkaPublisher] = KafkaPublisher
    stream: Callable[..., Any] = build_app
    state: Callable[..., StateTopic] = StateTopic
    watch_retention: Callable[..., Coroutine[Any, Any, None]] = watch_retention
    settle: Callable[[], None] = leave_the_living_alone
    tend: Callable[[], Coroutine[Any, Any, None]] = give_back_regularly


PROCESS = Surroundings()
