"""The emulators of AEP and of MoEngage as processes: told to misbehave, and asked what they have accepted, over plain HTTP."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any, Literal, Self

from bridge.testing.processes import BridgeProcess, eventually, free_port, get

if TYPE_CHECKING:
    from pathlib import Path

INLET = "0123456789abcdef" * 4
_PAYLOADS = 100_000
"""How many accepted events the emulator of AEP keeps whole."""
_ANSWERED_WITHIN = 30.0
"""Seconds: it shares its processor with what is tested."""


class EmulatorProcess(BridgeProcess):
    """``aep-bridge emulator`` as a process."""

    def __init__(
        self, directory: Path, *options: str, kind: Literal["adobe", "moengage"] = "adobe", **settings: str
    ) -> None:
        self.port = free_port()
        self.kind = kind
        own = ["--payloads", str(_PAYLOADS)] if kind == "adobe" else []
        super().__init__(
            ["emulator", "--kind", kind, "--port", str(self.port), *own, *options], settings, directory=directory
        )

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def wait_up(self) -> Self:
        """Wait until it answers."""
        eventually(
            lambda: get(f"{self.address}/health")[0] == 200, within=90, what=f"the emulator answers\n{self.tail()}"
        )
        return self

    def settings(self) -> dict[str, str]:
        """What a bridge needs to meet it."""
        if self.kind == "moengage":
            return {
                "BRIDGE_MOENGAGE__WORKSPACE_ID": "EMULATEDWORKSPACE",
                "BRIDGE_MOENGAGE__API_KEY": "emulated-key",
                "BRIDGE_MOENGAGE__BASE_URL": self.address,
            }
        return {
            "BRIDGE_AEP__ENDPOINT": f"{self.address}/collection/{INLET}",
            "BRIDGE_AEP__ORG_ID": "0123456789ABCDEF01234567@AdobeOrg",
            "BRIDGE_AEP__SCHEMA_ID": "https://ns.adobe.com/yourorgname/schemas/0123456789abcdef",
            "BRIDGE_AEP__DATASET_ID": "0123456789abcdef01234567",
            "BRIDGE_AEP__FLOW_ID": "01234567-89ab-cdef-0123-456789abcdef",
            "BRIDGE_OAUTH__TOKEN_URL": f"{self.address}/ims/token/v3",
            "BRIDGE_OAUTH__CLIENT_ID": "0123456789abcdef" * 2,
            "BRIDGE_OAUTH__CLIENT_SECRET": "emulated-secret",
        }

    def control(self, **message: Any) -> None:
        """Tell it to misbehave, or to stop doing so (``clear_faults=True``)."""
        request = urllib.request.Request(f"{self.address}/control", data=json.dumps(message).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=_ANSWERED_WITHIN) as answer:
            assert answer.status == 200

    def received(self, **query: Any) -> dict[str, Any]:
        """What it has received: counts, or what the query asks for."""
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        status, body = get(f"{self.address}/received" + (f"?{asked}" if asked else ""), timeout=_ANSWERED_WITHIN)
        assert status == 200, body
        found: dict[str, Any] = json.loads(body)
        return found

    def accepted(self) -> dict[str, tuple[int, str]]:
        """_id -> (times, fingerprint of the payload)."""
        found: dict[str, tuple[int, str]] = {}
        offset: int | None = 0
        while offset is not None:
            page = self.received(ids=1, offset=offset, limit=10_000)
            found |= {identifier: (times, digest) for identifier, times, digest in page["ids"]}
            offset = page["next_offset"]
        return found

    def payload(self, identifier: str) -> dict[str, Any]:
        """The event it accepted."""
        return self.received(payload=identifier)
