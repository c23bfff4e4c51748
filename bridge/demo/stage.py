"""Sets the stage: broker, emulator, receiver and worker, each as it really runs, and the dead letters read back at the end."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.demo.story import Scene
from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.ingestion.dataset_rules import Limits
from bridge.emulators.adobe.inlet import EXAMPLE
from bridge.model.errors import BridgeError
from bridge.runtime.deadline import StopBudget
from bridge.testing.kafka.embedded import EmbeddedKafka
from bridge.testing.later_refusals import strict_schema
from bridge.testing.processes import BridgeProcess, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

TOPIC = "moengage.events"
DEAD_LETTERS = "moengage.events.dead-letters"
STATE = "bridge.state"
TENANT = "_yourorgname"
_READY_SECONDS = 90.0
"""A busy machine needs some 20 s to start an interpreter with everything in it."""
_DRAIN_SECONDS = 20.0
"""The default of ``worker.drain_seconds``, which holds here."""
_AEP_SECONDS = 1.0
"""Between two batches of the emulated AEP, and two looks for failed ones; a quarter of an hour and five minutes in earnest."""
_LETTERS_SECONDS = 30.0
_PASSWORD = "demo"  # nosec B105 # noqa: S105 - opens a receiver on loopback, for a minute


@dataclass(frozen=True, slots=True)
class DemoStage:
    """A scene that is ready to be played, and the broker it stands on."""

    scene: Scene
    bootstrap: str
    receiver: BridgeProcess
    worker: BridgeProcess
    emulator: Emulator


@asynccontextmanager
async def open_stage(
    tell: Callable[[str], None],
    more: Mapping[str, str] | None = None,
    *,
    schema_id: str | None = None,
    refuses_later: bool = False,
) -> AsyncIterator[DemoStage]:
    """Start every part, ``tell`` each in a line, and end them all in order afterwards. ``more``: settings that win.

    ``schema_id``: the schema that the emulated connection is for; else the emulator's own. ``refuses_later``: its
    dataset's schema refuses some of what the inlet has taken.
    """
    with (
        tempfile.TemporaryDirectory(prefix="aep-bridge-demo-") as folder,
        EmbeddedKafka(TOPIC, DEAD_LETTERS, STATE) as kafka,
    ):
        tell(f"embedded Kafka-protocol broker (librdkafka's mock cluster) at {kafka.bootstrap}")
        inlet = EXAMPLE if schema_id is None else replace(EXAMPLE, schema_id=schema_id)
        async with Emulator(
            inlet=inlet, schema=strict_schema() if refuses_later else None, limits=Limits(batch_seconds=_AEP_SECONDS)
        ) as emulator:
            tell(f"AEP emulator, IMS and collection endpoint, at {emulator.url}")
            settings = settings_of(kafka.bootstrap, emulator) | dict(more or {})
            async with (
                running("receiver", settings, Path(folder)) as receiver,
                running("worker", settings, Path(folder)) as worker,
            ):
                await wait_ready(receiver, worker)
                tell(f"receiver at http://127.0.0.1:{settings['BRIDGE_RECEIVER__PORT']}/moengage/streams, Basic auth")
                tell("worker: Faust stream, CSV mapping, OAuth, delivery")
                scene = Scene(
                    receiver=f"http://127.0.0.1:{settings['BRIDGE_RECEIVER__PORT']}",
                    credentials=("moengage", "demo"),
                    telemetry={"receiver": receiver.url, "worker": worker.url},
                    emulator=emulator.url,
                )
                try:
                    yield DemoStage(scene, kafka.bootstrap, receiver, worker, emulator)
                finally:
                    await scene.aclose()


@asynccontextmanager
async def running(name: str, settings: Mapping[str, str], folder: Path) -> AsyncIterator[BridgeProcess]:
    """``aep-bridge NAME`` as a process that logs to a file in ``folder``; ended in order afterwards."""
    process = BridgeProcess([name], settings, directory=folder).start()
    try:
        yield process
    finally:
        await asyncio.to_thread(process.stop, StopBudget(_DRAIN_SECONDS).killed)


async def wait_ready(*processes: BridgeProcess, within: float = _READY_SECONDS) -> None:
    """Wait for ``/health/ready`` of each; raises ``BridgeError`` with the end of the log when it does not come."""
    try:
        await asyncio.gather(*(asyncio.to_thread(process.wait_ready, within) for process in processes))
    except AssertionError as error:
        raise BridgeError(str(error)) from None


def settings_of(bootstrap: str, emulator: Emulator) -> dict[str, str]:
    """What receiver and worker are told, so that they meet this broker and this emulator."""
    return {
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "BRIDGE_KAFKA__TOPIC": TOPIC,
        "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": DEAD_LETTERS,
        "BRIDGE_KAFKA__COMMIT_INTERVAL_SECONDS": "0.25",
        "BRIDGE_MAPPING__TENANT": TENANT,
        "BRIDGE_AEP__ENDPOINT": emulator.collection_url,
        "BRIDGE_AEP__ORG_ID": emulator.org_id,
        "BRIDGE_AEP__SCHEMA_ID": emulator.schema_id,
        "BRIDGE_AEP__DATASET_ID": emulator.dataset_id,
        "BRIDGE_AEP__FLOW_ID": emulator.flow_id,
        "BRIDGE_AEP__PLATFORM_URL": emulator.url,
        "BRIDGE_AEP__FAILED_BATCHES_SECONDS": f"{_AEP_SECONDS:g}",
        "BRIDGE_OAUTH__TOKEN_URL": emulator.token_url,
        "BRIDGE_OAUTH__CLIENT_ID": emulator.client_id,
        "BRIDGE_OAUTH__CLIENT_SECRET": emulator.client_secret,
        "BRIDGE_RECEIVER__HOST": "127.0.0.1",
        "BRIDGE_RECEIVER__PORT": str(free_port()),
        "BRIDGE_RECEIVER__AUTH": "basic",
        "BRIDGE_RECEIVER__USERNAME": "moengage",
        "BRIDGE_RECEIVER__PASSWORD": _PASSWORD,
    }


@dataclass(frozen=True, slots=True)
class Reason:
    """Why dead letters lie where they lie, and how many for this reason."""

    stage: str
    code: str
    reason: str
    count: int


async def reasons(bootstrap: str, expected: int) -> list[Reason]:
    """Read ``expected`` dead letters back from their topic and count them by reason; ``BridgeError`` when they do not come."""
    from bridge.kafka.dead_letters.following import follow_letters  # noqa: PLC0415 - only at the end of a demo

    found: Counter[tuple[str, str, str]] = Counter()
    try:
        async with asyncio.timeout(_LETTERS_SECONDS), follow_letters(bootstrap, DEAD_LETTERS) as letters:
            while found.total() < expected:
                letter = await anext(letters)
                found[letter.stage, letter.code, letter.reason] += 1
    except TimeoutError:
        raise BridgeError(
            f"only {found.total()} of {expected} dead letters could be read within {_LETTERS_SECONDS:.0f} s"
        ) from None
    return [Reason(*why, count) for why, count in found.most_common()]
