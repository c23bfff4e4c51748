"""The publisher's connection: what ends it at the start, and that nothing ends it later."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from bridge.errors import SettingsError
from bridge.pipeline.publisher import KafkaPublisher
from bridge.settings import KafkaSettings

_HALF = SettingsError("BRIDGE_KAFKA__SSL_CERTFILE: client.pem cannot be used: bad end line")


class _Publisher(KafkaPublisher):
    """Connects, or fails as it is told, attempt by attempt."""

    def __init__(self, *attempts):
        super().__init__(KafkaSettings())
        self._attempts = iter(attempts)

    async def _connect(self):
        failure = next(self._attempts, None)
        if failure is not None:
            raise failure

        async def stop():
            """As a producer's."""

        self._producer = SimpleNamespace(stop=stop)
        if not self._first.done():
            self._first.set_result(None)


@pytest.mark.parametrize("failure", [_HALF, RuntimeError("never seen before")])
async def test_what_fails_while_reconnecting_is_tried_again(failure) -> None:
    """A certificate that is half replaced when a broker goes away: a moment later the publisher is connected again."""
    async with _Publisher(None, failure, failure) as publisher:
        await publisher.connected(within=1)
        publisher._renew.set()
        await asyncio.sleep(0.05)
        assert not publisher.is_connected
        async with asyncio.timeout(3):
            while not publisher.is_connected:  # noqa: ASYNC110 - it is the state that is watched
                await asyncio.sleep(0.05)


async def test_what_cannot_be_used_at_the_start_is_told() -> None:
    """At the start the same certificate is a mistake that whoever waits hears of."""
    async with _Publisher(_HALF) as publisher:
        with pytest.raises(SettingsError):
            await publisher.connected(within=1)
