"""The stage of the chaos on the way back: a broker, a receiver of two routes, their workers, and one emulated workspace for both.

The emulator runs in the test's own loop, so that its users can be compared with the model's; everything else is a process.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from bridge.emulators.moengage import MoEngageEmulator
from bridge.emulators.moengage.faults import Limits
from bridge.settings.tree import route_variable
from bridge.testing.account import letters_of
from bridge.testing.commands import Commands
from bridge.testing.kafka.admin import create_topic
from bridge.testing.kafka.offsets import lag_of
from bridge.testing.processes import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.testing.kafka.broker import Broker
    from bridge.testing.processes import BridgeProcess

ADOBE, MPARTICLE = "crm", "shop"
PARTITIONS = 4
SESSION_SECONDS = 6
TOKEN = "Bearer long-random-text"
CREDENTIALS = ("mparticle", "a-password")
_USERS_PER_MINUTE, _EVENTS_PER_MINUTE = 12_000, 12_000
_READY_SECONDS = 120.0
"""On a machine that does other things too."""


class ReturnStage(Commands):
    """``workers`` are the processes that should run, by name; ``add`` and ``leave`` change them."""

    def __init__(self, broker: Broker, directory: Path) -> None:
        super().__init__(directory)
        self.broker = broker
        self.key_file = directory / "key"
        limits = Limits(users=_USERS_PER_MINUTE, events=_EVENTS_PER_MINUTE)
        self.emulator = MoEngageEmulator(port=free_port(), limits=limits)
        self.workers: dict[str, BridgeProcess] = {}
        self.port = free_port()
        self._settings: dict[str, str] = {}
        self._receiver: BridgeProcess | None = None

    @property
    def settings(self) -> dict[str, str]:
        """Settings of every process."""
        return self._settings

    async def __aenter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        await self.emulator.start()
        self.key_file.write_text(self.emulator.api.api_keys[0], encoding="utf-8")
        await asyncio.to_thread(self._make_topics)
        self._settings = self._environment()
        self._receiver = self.run("receiver")
        self.workers = {ADOBE: self._worker(ADOBE, ADOBE), MPARTICLE: self._worker(MPARTICLE, MPARTICLE)}
        for process in (self._receiver, *self.workers.values()):
            await asyncio.to_thread(process.wait_ready, _READY_SECONDS)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.end)
        await self.emulator.stop()

    @property
    def receiver(self) -> BridgeProcess:
        """The receiver's process."""
        assert self._receiver is not None
        return self._receiver

    def url(self, source: str, route: str) -> str:
        """Where a source posts."""
        return f"http://127.0.0.1:{self.port}/{source}/{route}"

    async def ready(self, process: BridgeProcess) -> None:
        """Wait until it is in its group, or the receiver is connected."""
        await asyncio.to_thread(process.wait_ready, _READY_SECONDS)

    async def add(self, name: str) -> None:
        """One more worker of the route from Adobe."""
        self.workers[name] = self._worker(name, ADOBE)
        await self.ready(self.workers[name])

    async def leave(self, name: str) -> None:
        """It drains and ends."""
        code = await asyncio.to_thread(self.workers.pop(name).stop, 40.0)
        assert code == 0, f"{name} ended with {code}"

    def rotate_key(self, key: str) -> None:
        """The old key is refused from now on; whoever rotates it writes the new one into the file."""
        self.emulator.control(api_keys=[key])

    async def lag(self) -> dict[str, int]:
        """Records of each route's topic that its group has not committed."""

        def ask() -> dict[str, int]:
            return {
                name: sum(lag_of(self.broker.bootstrap, f"chaos.{name}", f"chaos.{name}.group").values())
                for name in (ADOBE, MPARTICLE)
            }

        return await asyncio.to_thread(ask)

    async def letters(self) -> list[str]:
        """Code and reason of every dead letter of both routes."""
        found = [
            letter
            for name in (ADOBE, MPARTICLE)
            for letter in await asyncio.to_thread(letters_of, self.broker.bootstrap, f"chaos.{name}.dead")
        ]
        return [f"{each.headers['bridge.code']}: {each.headers['bridge.reason']}" for each in found]

    def _worker(self, name: str, route: str) -> BridgeProcess:
        return self.run("worker", "--route", route, name=f"worker-{name}")

    def _make_topics(self) -> None:
        for name in (ADOBE, MPARTICLE):
            create_topic(self.broker.bootstrap, f"chaos.{name}", partitions=PARTITIONS)
            create_topic(self.broker.bootstrap, f"chaos.{name}.dead", partitions=1)

    def _environment(self) -> dict[str, str]:
        shared = {
            "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": self.broker.bootstrap,
            "BRIDGE_KAFKA__CREATE_TOPICS": "true",
            "BRIDGE_KAFKA__STATE_TOPIC": "chaos.state",
            "BRIDGE_KAFKA__REQUEST_TIMEOUT_SECONDS": "5",
            "BRIDGE_KAFKA__SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
            "BRIDGE_KAFKA__COMMIT_INTERVAL_SECONDS": "0.5",
            "BRIDGE_MOENGAGE__BASE_URL": self.emulator.url,
            "BRIDGE_MOENGAGE__WORKSPACE_ID": self.emulator.api.app_id,
            "BRIDGE_MOENGAGE__API_KEY_FILE": str(self.key_file),
            "BRIDGE_MOENGAGE__USERS_PER_MINUTE": str(_USERS_PER_MINUTE),
            "BRIDGE_MOENGAGE__EVENTS_PER_MINUTE": str(_EVENTS_PER_MINUTE),
            "BRIDGE_MOENGAGE__LINGER_SECONDS": "0.2",
            "BRIDGE_MOENGAGE__TIMEOUT_SECONDS": "5",
            "BRIDGE_WORKER__DRAIN_SECONDS": "6",
            "BRIDGE_RECEIVER__HOST": "127.0.0.1",
            "BRIDGE_RECEIVER__PORT": str(self.port),
            "BRIDGE_TELEMETRY__LOG_FORMAT": "json",
        }
        own = {
            ADOBE: {
                ("receiver", "auth"): "header",
                ("receiver", "header_name"): "Authorization",
                ("receiver", "header_value"): TOKEN,
                ("adobe", "customer_id_namespace"): "crmId",
            },
            MPARTICLE: {
                ("receiver", "auth"): "basic",
                ("receiver", "username"): CREDENTIALS[0],
                ("receiver", "password"): CREDENTIALS[1],
            },
        }
        sources = {ADOBE: "adobe", MPARTICLE: "mparticle"}
        for name, keys in own.items():
            keys |= {
                ("source",): sources[name],
                ("destination",): "moengage",
                ("kafka", "topic"): f"chaos.{name}",
                ("kafka", "dead_letter_topic"): f"chaos.{name}.dead",
                ("kafka", "group"): f"chaos.{name}.group",
            }
            shared |= {route_variable(name, *key): value for key, value in keys.items()}
        return shared
