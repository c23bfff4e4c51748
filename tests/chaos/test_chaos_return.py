"""The way back is broken at random, and at the end every customer at MoEngage is what Adobe and mParticle have told, in their order.

``make chaos SECONDS=1800`` runs long; ``--chaos-seed`` repeats what is sent and broken. Without options it is a short run.
"""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from return_faults import BRIEF, FAULTS
from return_senders import AdobeCalls, MParticleCalls
from return_stage import ADOBE, MPARTICLE, ReturnStage

from bridge.testing.kafka.broker import Broker
from bridge.testing.kafka.jars import BrokerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.kafka, pytest.mark.slow(60)]

_ADOBE_EVERY, _MPARTICLE_EVERY = 0.25, 0.2
_CALM = 1.0
_DRAINED_WITHIN = 120.0
_EVENTS_PER_CUSTOMER = 20
"""As the emulator keeps the newest hundred of a customer, and some come twice."""


@pytest.fixture
def broker(tmp_path):
    """One node, which a fault takes away."""
    try:
        made = Broker(tmp_path / "kafka")
    except BrokerUnavailableError as reason:
        pytest.skip(f"not run against a real Kafka: {reason}")
    with made:
        yield made


def _plan(rng: Random, seconds: float | None) -> Iterator[str]:
    """Without ``seconds`` each fault of the short run, the broker's restart last; else all of them, shuffled anew when all were dealt."""
    if seconds is None:
        yield from rng.sample(BRIEF, len(BRIEF))
        yield "broker_restart"
        return
    end = time.monotonic() + seconds
    while True:
        for name in rng.sample(sorted(FAULTS), len(FAULTS)):
            if time.monotonic() > end:
                return
            yield name


def _attributes(stage: ReturnStage, prefix: str) -> dict[str, dict[str, Any]]:
    users = stage.emulator.workspace.users
    return {name: dict(user.attributes) for name, user in users.items() if name.startswith(prefix)}


def _events(stage: ReturnStage, prefix: str) -> dict[str, set[int]]:
    users = stage.emulator.workspace.users
    return {
        name: {event["attributes"]["number"] for event in user.events}
        for name, user in users.items()
        if name.startswith(prefix)
    }


def _differences(wanted: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Customer -> what is wanted, and what is there."""
    names = wanted.keys() | found.keys()
    return {name: (wanted.get(name), found.get(name)) for name in names if wanted.get(name) != found.get(name)}


async def _drained(stage: ReturnStage) -> None:
    deadline = time.monotonic() + _DRAINED_WITHIN
    while any(lag := (await stage.lag()).values()):
        assert time.monotonic() < deadline, f"not delivered after {_DRAINED_WITHIN:g} s: {list(lag)}"
        await asyncio.sleep(0.5)


async def test_every_customer_is_right_whatever_is_broken(broker, tmp_path, chaos):
    """Attributes and AEPSegments equal the model's, every event at least once, no dead letter; each fault found somebody to strike."""
    if chaos.only:
        pytest.skip("only without --chaos-only, which names faults of the way to Adobe")
    rng = Random(chaos.seed)
    customers = max(40, round((chaos.seconds or 0) / _MPARTICLE_EVERY * 5 / _EVENTS_PER_CUSTOMER))
    # A busy machine takes longer over the same faults, and events come all the while.
    with_events = max(80, customers)
    async with ReturnStage(broker, tmp_path / "stage") as stage:
        adobe = AdobeCalls(stage.url("adobe", ADOBE), chaos.seed, customers=customers, every=_ADOBE_EVERY)
        batches = MParticleCalls(
            stage.url("mparticle", MPARTICLE), chaos.seed, customers=with_events, every=_MPARTICLE_EVERY
        )
        began = time.monotonic()
        struck = []
        async with asyncio.TaskGroup() as posting:
            for sender in (adobe, batches):
                posting.create_task(sender.run())
            await asyncio.sleep(_CALM)
            for name in _plan(rng, chaos.seconds):
                at = time.monotonic() - began
                await FAULTS[name](stage, rng)
                struck.append(f"{at:.0f} s {name}")
                await asyncio.sleep(_CALM)
            for sender in (adobe, batches):
                sender.stop()
        broken = time.monotonic() - began
        await _drained(stage)
        shown = stage.emulator.summary()
        print(f"\nreturn: seed {chaos.seed}, {broken:.0f} s, {', '.join(struck)}")
        print(
            f"return: {adobe.calls} calls of Adobe, {batches.calls} of mParticle, {adobe.again + batches.again} made again"
        )
        print(f"return: {shown}")
        assert _differences(adobe.oracle.attributes(), _attributes(stage, "C-")) == {}
        assert _differences(batches.attributes, _attributes(stage, "M-")) == {}
        assert _differences(batches.events, _events(stage, "M-")) == {}
        assert await stage.letters() == []
        assert shown["ignored"] == {}
        assert min(adobe.calls, batches.calls) > broken / 2
