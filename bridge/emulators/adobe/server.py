"""The emulator's HTTP server: IMS, collection, platform APIs, control and what was received."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from bridge.emulators.adobe.collection import MEGABYTE, Collection
from bridge.emulators.adobe.collection_service import CollectionService
from bridge.emulators.adobe.control_service import ControlService
from bridge.emulators.adobe.faults import Control, Faults
from bridge.emulators.adobe.ims import Ims
from bridge.emulators.adobe.ingestion.dataset_rules import Limits
from bridge.emulators.adobe.inlet import EXAMPLE, Inlet
from bridge.emulators.adobe.platform.control import PlatformControl
from bridge.emulators.adobe.platform.flow_service.inlets import connected
from bridge.emulators.adobe.platform.gateway import Platform
from bridge.emulators.adobe.platform.ingesting import Ingestion
from bridge.emulators.adobe.platform.sandbox import Times
from bridge.emulators.adobe.platform.service import PlatformService
from bridge.emulators.adobe.received import Received
from bridge.emulators.local_server import MOST_READ, LocalServer

if TYPE_CHECKING:
    from collections.abc import Callable, MutableSet, Sequence

    from bridge.emulators.adobe.faults import Shape
    from bridge.xdm.schema.compiled_schema import CompiledSchema

TENANT = "yourorgname"
"""Without the underscore that it has in payloads."""
CLIENT_ID = "0123456789abcdef0123456789abcdef"
CLIENT_SECRET = "emulated-secret"  # nosec B105 # noqa: S105 - opens nothing but the emulator


class Emulator(LocalServer):
    """IMS and one streaming connection on 127.0.0.1; ``async with Emulator() as emulator`` or start and stop."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        inlet: Inlet = EXAMPLE,
        client_id: str = CLIENT_ID,
        client_secrets: Sequence[str] = (CLIENT_SECRET,),
        token_ttl: float = 86_399,
        latency_seconds: float = 0.0,
        shape: Shape = "current",
        fast: bool = False,
        payloads: int = 1_000,
        max_bytes: int = MEGABYTE,
        sync_validation: bool = True,
        tenant: str = TENANT,
        sandboxes: Sequence[str] = ("prod",),
        times: Times | None = None,
        limits: Limits | None = None,
        schema: CompiledSchema | None = None,
        preset_sandbox: str | None = None,
        new_ids: Callable[[], MutableSet[str]] = set,
    ) -> None:
        super().__init__(host, port)
        self.inlet = inlet
        self.faults = Faults(latency_seconds=latency_seconds, shape=shape, token_ttl=token_ttl)
        self.ims = Ims(client_id=client_id, client_secrets=client_secrets, clock=self.faults.clock)
        self.received = Received(payloads=payloads, fast=fast)
        self.platform = Platform(
            ims=self.ims,
            faults=self.faults,
            org_id=self.org_id,
            tenant=tenant,
            names=sandboxes,
            base_url=lambda: self.url,
            clock=time.time,
            times=times or Times(),
        )
        limits = limits or Limits()
        self.ingestion = Ingestion(
            limits=Limits(enabled=False) if fast else limits,
            oddities=self.platform.oddities,
            sandboxes=lambda: self.platform.sandboxes,
            preset_schema=schema,
            preset_sandbox=preset_sandbox,
            new_ids=new_ids,
        )
        self.platform.ingestion = self.ingestion
        self.collection = Collection(
            self.inlet,
            self.ims,
            self.received,
            self.faults,
            max_bytes=max_bytes,
            sync_validation=sync_validation,
            ingestion=self.ingestion,
            connected=lambda inlet_id: connected(self.platform.sandboxes.values(), inlet_id),
        )
        self._clock: asyncio.Task[None] | None = None

    @property
    def state(self) -> Received:
        """What was received."""
        return self.received

    @property
    def collection_url(self) -> str:
        """``BRIDGE_AEP__ENDPOINT``."""
        return f"{self.url}/collection/{self.inlet.inlet_id or EXAMPLE.inlet_id}"

    @property
    def token_url(self) -> str:
        """``BRIDGE_OAUTH__TOKEN_URL``."""
        return f"{self.url}/ims/token/v3"

    @property
    def org_id(self) -> str:
        """``BRIDGE_AEP__ORG_ID``; an example where any will do, as for the others."""
        return self.inlet.org_id or EXAMPLE.org_id or ""

    @property
    def schema_id(self) -> str:
        """``BRIDGE_AEP__SCHEMA_ID``."""
        return self.inlet.schema_id or EXAMPLE.schema_id or ""

    @property
    def dataset_id(self) -> str:
        """``BRIDGE_AEP__DATASET_ID``."""
        return self.inlet.dataset_id or EXAMPLE.dataset_id or ""

    @property
    def flow_id(self) -> str:
        """``BRIDGE_AEP__FLOW_ID``."""
        return self.inlet.flow_id or EXAMPLE.flow_id or ""

    @property
    def client_id(self) -> str:
        """``BRIDGE_OAUTH__CLIENT_ID``."""
        return self.ims.client_id

    @property
    def client_secret(self) -> str:
        """``BRIDGE_OAUTH__CLIENT_SECRET``: the first that is valid."""
        return self.ims.client_secrets[0]

    def environment(self) -> dict[str, str]:
        """Everything a bridge needs to meet this emulator, as environment variables."""
        return {
            "BRIDGE_AEP__ENDPOINT": self.collection_url,
            "BRIDGE_AEP__PAYLOAD": self.inlet.payload,
            "BRIDGE_AEP__AUTH": "oauth" if self.inlet.authenticated else "none",
            "BRIDGE_AEP__ORG_ID": self.org_id,
            "BRIDGE_AEP__SCHEMA_ID": self.schema_id,
            "BRIDGE_AEP__DATASET_ID": self.dataset_id,
            "BRIDGE_AEP__FLOW_ID": self.flow_id,
            "BRIDGE_AEP__PLATFORM_URL": self.url,
            "BRIDGE_OAUTH__TOKEN_URL": self.token_url,
            "BRIDGE_OAUTH__CLIENT_ID": self.client_id,
            "BRIDGE_OAUTH__CLIENT_SECRET": self.client_secret,
        }

    async def start(self) -> Self:
        """Bind and serve, and let its own clock run."""
        await super().start()
        if self.ingestion.limits.enabled:
            self._clock = asyncio.create_task(self.ingestion.run())
        return self

    async def stop(self) -> None:
        """Stop listening and cut connections; port and what was ingested stay the same for another ``start``."""
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.wait([self._clock])
            self._clock = None
        await super().stop()

    def control(self, **message: Any) -> None:
        """The same as ``POST /control`` with this message."""
        self._apply(Control.model_validate(message))

    def control_json(self, message: bytes) -> None:
        """The same in JSON; raises pydantic's ``ValidationError``."""
        self._apply(Control.model_validate_json(message))

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=MOST_READ)
        CollectionService(lambda: self.collection, self.ims, self.received, self.faults).add_to(app)
        PlatformService(self.platform).add_to(app)
        ControlService(self.received, self.ingestion, self.platform, self.faults, self.control_json).add_to(app)
        return app

    def _apply(self, control: Control) -> None:
        platform = None if control.platform is None else PlatformControl.model_validate(control.platform)
        if platform is not None:
            # Refused before anything has changed.
            self.platform.oddities.changed(platform.oddities)
        self.faults.apply(control)
        if control.secrets is not None:
            self.ims.client_secrets = control.secrets
        if control.revoke_tokens:
            self.ims.revoke()
        if control.clear_received:
            self.received.clear()
            self.ingestion.clear()
        if control.clear_faults:
            self.platform.troubles.clear()
        if platform is not None:
            self.platform.apply(platform)
