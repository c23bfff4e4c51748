"""What happens while IMS is away, hangs or asks for a pause: how soon is it asked again, and what is said?"""

from __future__ import annotations

import asyncio

import pytest
from awaiting import until
from structlog.testing import capture_logs
from token_scene import source

from bridge.destinations.http.oauth import NoToken, Pauses, Token, TokenSource
from bridge.emulators.adobe import Emulator
from bridge.settings import OauthSettings
from bridge.telemetry.metrics import Metrics


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_ims_blip_is_bridged(emulator, clock, status):
    """Two failures in a row are retried with pauses before anybody hears of them."""
    emulator.control(ims={"status": status, "count": 2})
    async with source(emulator, clock) as tokens:
        assert isinstance(await tokens.token(), Token)
        assert clock.slept == [0.5, 1.0]
        assert tokens.asked("unavailable") == 2


async def test_ims_retry_after_is_kept(emulator, clock):
    """IMS that names a pause is not asked before it is over."""
    emulator.control(ims={"status": 429, "retry_after": 90, "count": 1})
    async with source(emulator, clock) as tokens:
        assert isinstance(await tokens.token(), NoToken)
        clock.now += 89
        assert isinstance(await tokens.token(), NoToken)
        clock.now += 2
        assert isinstance(await tokens.token(), Token)


async def test_an_absurd_pause_of_ims_is_not_kept(emulator, clock):
    """Ten minutes at most: a wrong header must not keep events waiting for an hour."""
    emulator.control(ims={"status": 503, "retry_after": 1_000_000, "count": 1})
    async with source(emulator, clock) as tokens:
        assert isinstance(await tokens.token(), NoToken)
        clock.now += 599
        assert isinstance(await tokens.token(), NoToken)
        clock.now += 2
        assert isinstance(await tokens.token(), Token)


async def test_ims_away_and_back(clock):
    """Nothing listens: a reason, no exception; back again: a token."""
    emulator = Emulator()
    await emulator.start()
    await emulator.stop()
    async with source(emulator, clock) as tokens:
        away = await tokens.token()
        assert isinstance(away, NoToken)
        assert "IMS cannot be reached" in away.reason
        await emulator.start()
        try:
            clock.now += 60
            assert isinstance(await tokens.token(), Token)
        finally:
            await emulator.stop()


@pytest.mark.parametrize("seconds", [10, 60, 600])
async def test_the_return_of_ims_is_seen_within_five_seconds(emulator, clock, seconds):
    """However long it was away while no token lived; it is asked once every few seconds meanwhile, after one hiccup's retries."""
    emulator.control(ims={"status": 503})
    async with source(emulator, clock) as tokens:
        began = clock.now
        while clock.now - began < seconds:
            assert isinstance(await tokens.token(), NoToken)
            clock.now += 0.25
        asked = emulator.received.token_requests["503"]
        assert asked <= 3 + seconds / 3, "not hammered"
        emulator.control(ims=None)
        back = clock.now
        while isinstance(await tokens.token(), NoToken):
            clock.now += 0.25
        assert clock.now - back <= 5.0


async def test_an_ims_that_hangs_is_asked_again_at_once(clock):
    """It has been waited for already: the pause counts from the begin of an attempt. Nor is it a hiccup: that is told after one attempt."""
    asked = []

    async def hang(reader, writer):
        asked.append(clock.now)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ims/token/v3"
        settings = OauthSettings(token_url=url, client_id="id", client_secret="secret")
        pauses = Pauses(timeout=1.0)
        tokens = TokenSource(settings, Metrics(), pauses=pauses, clock=clock, sleep=clock.sleep)
        try:
            for attempt in range(1, 4):
                waiting = asyncio.create_task(tokens.token())
                await until(lambda: len(asked) == attempt)  # noqa: B023 - it is awaited within its turn
                clock.now += 10
                assert "IMS cannot be reached" in (await waiting).reason
            assert tokens._failures == len(asked) == 3
        finally:
            await tokens.aclose()


async def test_ahead_of_expiry_ims_is_asked_about_once_a_minute(emulator, clock):
    """While a token lives nobody waits; when it has died the pause is the short one at once."""
    emulator.control(token_ttl=20_000)
    async with source(emulator, clock) as tokens:
        first = await tokens.token()
        emulator.control(ims={"status": 503})
        clock.now += 18_001
        for _ in range(1_000):
            assert await tokens.token() is first
            if tokens._renewal is not None:
                await asyncio.wait([tokens._renewal])
            clock.now += 1
        assert emulator.received.token_requests["503"] <= 3 + 6 + 1_000 / 45
        clock.now = first.dead_at + 60
        before = emulator.received.token_requests["503"]
        for _ in range(60):
            assert isinstance(await tokens.token(), NoToken)
            clock.now += 1
        assert emulator.received.token_requests["503"] - before >= 60 / 6


async def test_a_lasting_want_of_tokens_is_logged_once_a_minute(emulator, clock):
    """At once when it begins, and when the reason is another; asked far more often."""
    emulator.control(ims={"status": 503})
    async with source(emulator, clock) as tokens:
        with capture_logs() as logs:
            for _ in range(300):
                await tokens.token()
                clock.now += 1
            emulator.control(ims={"status": 500})
            for _ in range(10):
                await tokens.token()
                clock.now += 1
    told = [line["reason"] for line in logs if line["event"] == "token_unavailable"]
    assert 5 <= len([reason for reason in told if "503" in reason]) <= 6
    assert len([reason for reason in told if "500" in reason]) == 1


async def test_an_unexpected_error_while_ims_is_asked_is_told_and_is_no_hot_loop(emulator, clock, monkeypatch):
    """Ahead of expiry nobody waits for the answer, and nobody would hear of it."""

    async def broken(*_args, **_more):
        raise RuntimeError("a defect")

    async with source(emulator, clock) as tokens:
        monkeypatch.setattr("bridge.destinations.http.oauth.post", broken)
        with capture_logs() as logs:
            found = await tokens.token()
            assert await tokens.token() is found
    assert "unexpected RuntimeError while IMS was asked" in found.reason
    assert [line["event"] for line in logs] == ["token_unavailable"]
