"""The rungs of the ladder, and what the process of each is told."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from bench import benthos
from bench.stage import ROOT, WORK, SinkProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Rung:
    """One way from Kafka to AEP. ``command`` None: it cannot run here, for the reason in ``skipped``."""

    name: str
    label: str
    command: Sequence[str] | None
    settings: dict[str, str]
    raw: bool = False
    skipped: str = ""
    asked: bool = False
    """Only when named: it shows what one decision is worth, not what anybody would run."""
    prepare: Callable[[Callable[[str], None]], None] | None = None
    """Makes what the command starts; raises ``NotBuiltError``."""

    @property
    def ours(self) -> bool:
        """Whether it is the bridge's worker."""
        return self.name.startswith("bridge")

    def ready(self, say: Callable[[str], None]) -> Rung:
        """Itself, with all made that it needs; where that cannot be, skipped with the reason."""
        try:
            if self.prepare is not None:
                self.prepare(say)
        except benthos.NotBuiltError as error:
            return replace(self, command=None, skipped=str(error))
        return self


def rungs() -> list[Rung]:
    """Every rung of the ladder."""
    python = sys.executable
    worker = [python, "-m", "bridge", "worker"]
    schema = str(ROOT / "mappings" / "moengage_events.schema.json")
    quix = WORK / "quix" / "bin" / "python"
    has_quix = quix.exists()
    return [
        Rung("floor", "floor: aiokafka, orjson, hand-written mapping, aiohttp; no guarantees", [python, "-m", "bench.peers.floor"], {}),
        Rung("bridge", "bridge worker without the schema check", worker, {"BRIDGE_MAPPING__SCHEMA": "none"}),
        Rung("bridge-schema", "bridge worker, as users run it: with the schema check", worker, {"BRIDGE_MAPPING__SCHEMA": schema}),
        Rung("bridge-raw", "bridge worker, raw payload (AEP maps)", worker, {"BRIDGE_AEP__PAYLOAD": "raw"}, raw=True),
        Rung("bridge-gc", "bridge worker, garbage collector as it comes", [python, "-m", "bench.peers.untuned_gc", "worker"], {},
             asked=True),
        Rung("faust", "plain Faust agent: stream.take, httpx", [python, "-m", "bench.peers.plain_faust", "worker", "--without-web"], {}),
        Rung("quix", "Quix Streams: batching sink, httpx", [str(quix), "-m", "bench.peers.quix"] if has_quix else None, {},
             skipped="" if has_quix else "quixstreams is not installed (README.md, Peers)"),
        Rung("connect", "Benthos 4.27, the engine of Redpanda Connect: Bloblang, http_client", benthos.COMMAND, benthos.SETTINGS,
             prepare=benthos.prepare),
    ]  # fmt: skip


def environment(rung: Rung, sink: SinkProcess, bootstrap: str, topic: str, dead: str) -> dict[str, str]:
    """What the process of a rung is told."""
    group = f"{rung.name}-{uuid4().hex[:8]}"
    if rung.ours:
        return sink.environment | {
            "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "BRIDGE_KAFKA__TOPIC": topic,
            "BRIDGE_KAFKA__GROUP": group,
            "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": dead,
            "BRIDGE_MAPPING__PATH": str(ROOT / "mappings" / "moengage_events.csv"),
            "BRIDGE_AEP__EVENTS_PER_SECOND": "0",
            "BRIDGE_AEP__REQUESTS_PER_SECOND": "0",
            "BRIDGE_TELEMETRY__PORT": "0",
            **rung.settings,
        }
    from bridge.destinations.aep.destination import batch_url
    from bridge.destinations.aep.envelope import xdm_envelope

    told = sink.environment
    envelope = xdm_envelope(
        schema_id=told["BRIDGE_AEP__SCHEMA_ID"],
        org_id=told["BRIDGE_AEP__ORG_ID"],
        dataset_id=told["BRIDGE_AEP__DATASET_ID"],
        flow_id=told["BRIDGE_AEP__FLOW_ID"],
        source_name="MoEngage Streams",
        max_request_bytes=1_000_000,
    )
    order = {
        "bootstrap": bootstrap,
        "topic": topic,
        "group": group,
        "url": batch_url(told["BRIDGE_AEP__ENDPOINT"]),
        "headers": {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {sink.token}",
            "x-gw-ims-org-id": told["BRIDGE_AEP__ORG_ID"],
            "x-api-key": told["BRIDGE_OAUTH__CLIENT_ID"],
            "x-sandbox-name": "prod",
        },
        "head": envelope.head.decode(),
        "tail": envelope.tail.decode(),
    }
    return {"BENCH_ORDER": json.dumps(order)} | rung.settings
