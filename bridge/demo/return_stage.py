"""The stage of the way back: an emulated MoEngage with a budget, one receiver, and the workers of a route from Adobe and one from mParticle."""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from bridge.demo.activation import NAMESPACE
from bridge.demo.stage import STATE, running, wait_ready
from bridge.emulators.moengage import MoEngageEmulator
from bridge.emulators.moengage.faults import Limits
from bridge.settings.tree import route_variable
from bridge.testing.kafka.embedded import EmbeddedKafka
from bridge.testing.processes import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bridge.testing.processes import BridgeProcess

ADOBE, MPARTICLE = "crm", "shop"
EVENTS_PER_MINUTE = 30_000
_TOKEN = "Bearer demo"  # nosec B105 # noqa: S105 - opens a receiver on loopback, for a minute
_POST_SECONDS = 30.0
_READY_SECONDS = 90.0
"""A parent and two workers start beside the receiver."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who posts to a route: where to, and over which connections."""

    url: str
    session: aiohttp.ClientSession


@dataclass(frozen=True, slots=True)
class ReturnStage:
    """Every part, ready. ``adobe`` and ``mparticle`` post to their routes of the receiver."""

    emulator: MoEngageEmulator
    receiver: BridgeProcess
    worker: BridgeProcess
    adobe: Caller
    mparticle: Caller


@asynccontextmanager
async def open_return_stage(tell: Callable[[str], None], users_per_minute: int) -> AsyncIterator[ReturnStage]:
    """Start every part, ``tell`` each in a line, and end them all in order afterwards."""
    topics = [f"bridge.{name}{kind}" for name in (ADOBE, MPARTICLE) for kind in ("", ".dead-letters")]
    states = [f"{STATE}.{ADOBE}", STATE]
    with (
        tempfile.TemporaryDirectory(prefix="aep-bridge-demo-") as folder,
        EmbeddedKafka(*topics, *states) as kafka,
    ):
        tell(f"embedded Kafka-protocol broker at {kafka.bootstrap}, topics {', '.join(topics)}")
        limits = Limits(users=users_per_minute, events=EVENTS_PER_MINUTE)
        async with MoEngageEmulator(limits=limits) as emulator:
            tell(
                f"MoEngage emulator at {emulator.url}, {users_per_minute:,} users and {EVENTS_PER_MINUTE:,} events a minute"
            )
            port = free_port()
            settings = _settings(kafka.bootstrap, emulator, port, users_per_minute)
            receiver_at = f"http://127.0.0.1:{port}"
            async with (
                running("receiver", settings, Path(folder)) as receiver,
                running("worker", settings, Path(folder)) as worker,
            ):
                await wait_ready(receiver, worker, within=_READY_SECONDS)
                tell(
                    f"receiver: Adobe posts to {receiver_at}/adobe/{ADOBE}, mParticle to {receiver_at}/mparticle/{MPARTICLE}"
                )
                tell("worker: both routes, mapping sets that ship, audiences joined customer by customer")
                timeout = aiohttp.ClientTimeout(total=_POST_SECONDS)
                async with aiohttp.ClientSession(headers={"Authorization": _TOKEN}, timeout=timeout) as session:
                    adobe = Caller(f"{receiver_at}/adobe/{ADOBE}", session)
                    mparticle = Caller(f"{receiver_at}/mparticle/{MPARTICLE}", session)
                    yield ReturnStage(emulator, receiver, worker, adobe, mparticle)


def _settings(bootstrap: str, emulator: MoEngageEmulator, port: int, users_per_minute: int) -> dict[str, str]:
    """What receiver and worker are told."""
    settings = {
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "BRIDGE_KAFKA__STATE_TOPIC": STATE,
        "BRIDGE_KAFKA__COMMIT_INTERVAL_SECONDS": "0.25",
        "BRIDGE_MOENGAGE__USERS_PER_MINUTE": str(users_per_minute),
        "BRIDGE_MOENGAGE__EVENTS_PER_MINUTE": str(EVENTS_PER_MINUTE),
        "BRIDGE_RECEIVER__HOST": "127.0.0.1",
        "BRIDGE_RECEIVER__PORT": str(port),
        "BRIDGE_RECEIVER__AUTH": "header",
        "BRIDGE_RECEIVER__HEADER_NAME": "Authorization",
        "BRIDGE_RECEIVER__HEADER_VALUE": _TOKEN,
        "BRIDGE_ADOBE__CUSTOMER_ID_NAMESPACE": NAMESPACE,
        **emulator.environment(),
    }
    for name, source in ((ADOBE, "adobe"), (MPARTICLE, "mparticle")):
        settings |= {route_variable(name, "source"): source, route_variable(name, "destination"): "moengage"}
    return settings
