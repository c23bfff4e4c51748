"""The emulator of AEP as a process: told to misbehave, and asked what it has accepted, over plain HTTP."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any, Self

from bridge.testing.processes import BridgeProcess, eventually, free_port, get

if TYPE_CHECKING:
    from pathlib import Path

INLET = "0123456789abcdef" * 4


class EmulatorProcess(BridgeProcess):
    """``aep-bridge emulator`` as a process."""

    def __init__(self, directory: Path, *options: str, **settings: str) -> None:
        self.port = free_port()
        super().__init__(
            ["emulator", "--port", str(self.port), "--payloads", "100000", *options], settings, directory=directory
        )

    def wait_up(self) -> Self:
        """Wait until it answers."""
        address = f"http://127.0.0.1:{self.port}/health"
        eventually(lambda: get(address)[0] == 200, within=30, what=f"the emulator answers\n{self.tail()}")
        return self

    def settings(self) -> dict[str, str]:
        """What a bridge needs to meet it."""
        url = f"http://127.0.0.1:{self.port}"
        return {
            "BRIDGE_AEP__ENDPOINT": f"{url}/collection/{INLET}",
            "BRIDGE_AEP__ORG_ID": "0123456789ABCDEF01234567@AdobeOrg",
            "BRIDGE_AEP__SCHEMA_ID": "https://ns.adobe.com/yourorgname/schemas/0123456789abcdef",
            "BRIDGE_AEP__DATASET_ID": "0123456789abcdef01234567",
            "BRIDGE_AEP__FLOW_ID": "01234567-89ab-cdef-0123-456789abcdef",
            "BRIDGE_OAUTH__TOKEN_URL": f"{url}/ims/token/v3",
            "BRIDGE_OAUTH__CLIENT_ID": "0123456789abcdef" * 2,
            "BRIDGE_OAUTH__CLIENT_SECRET": "emulated-secret",
        }

    def control(self, **message: Any) -> None:
        """Tell it to misbehave, or to stop doing so (``clear_faults=True``)."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/control", data=json.dumps(message).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            assert answer.status == 200

    def summary(self) -> dict[str, Any]:
        """Counts of what it has received."""
        found: dict[str, Any] = json.loads(get(f"http://127.0.0.1:{self.port}/received")[1])
        return found

    def accepted(self) -> dict[str, tuple[int, str]]:
        """_id -> (times, fingerprint of the payload)."""
        found: dict[str, tuple[int, str]] = {}
        offset: int | None = 0
        while offset is not None:
            page = json.loads(get(f"http://127.0.0.1:{self.port}/received?ids=1&offset={offset}&limit=10000")[1])
            found |= {identifier: (times, digest) for identifier, times, digest in page["ids"]}
            offset = page["next_offset"]
        return found

    def payload(self, identifier: str) -> dict[str, Any]:
        """The event it accepted."""
        status, body = get(f"http://127.0.0.1:{self.port}/received?payload={identifier}")
        assert status == 200, body
        found: dict[str, Any] = json.loads(body)
        return found
