"""When is a token asked for, by how many at once, and what is handed out meanwhile? On a clock of the test's."""

from __future__ import annotations

import asyncio

from token_scene import granted, source

from bridge.destinations.http.oauth import Token


async def replaced(tokens, old):
    """Whether another token is handed out within five seconds."""
    for _ in range(500):
        if await tokens.token() is not old:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_many_lanes_share_one_request(emulator, clock):
    """Fifty lanes that need the first token cause one request, and all get the same."""
    async with source(emulator, clock) as tokens:
        got = await asyncio.gather(*(tokens.token() for _ in range(50)))
        assert all(token is got[0] for token in got)
        assert isinstance(got[0], Token)
        assert granted(emulator) == 1
        assert tokens.asked("ok") == 1


async def test_renewed_ahead_of_expiry_without_a_wait(emulator, clock):
    """Near the end of its life the old token is still handed out while one new one is fetched."""
    emulator.control(token_ttl=1_000)
    async with source(emulator, clock) as tokens:
        first = await tokens.token()
        clock.now += 899
        assert await tokens.token() is first
        assert granted(emulator) == 1
        clock.now += 2
        assert await tokens.token() is first
        assert await tokens.token() is first
        assert await replaced(tokens, first)
        assert granted(emulator) == 2


async def test_dead_token_is_never_handed_out(emulator, clock):
    """After its life the request waits for a new one."""
    emulator.control(token_ttl=1_000)
    async with source(emulator, clock) as tokens:
        first = await tokens.token()
        clock.now += 999
        second = await tokens.token()
        assert isinstance(second, Token)
        assert second is not first


async def test_forced_renewal_is_shared(emulator, clock):
    """Lanes whose requests with one token are refused cause one renewal, also when one comes late."""
    async with source(emulator, clock) as tokens:
        first = await tokens.token()
        renewed = await asyncio.gather(*(tokens.renew(first) for _ in range(20)))
        assert all(token is renewed[0] for token in renewed)
        assert renewed[0] is not first
        assert await tokens.renew(first) is renewed[0]
        assert granted(emulator) == 2


async def test_tokens_refused_again_and_again_are_renewed_ever_less_often(emulator, clock):
    """A missing permission does not make the bridge mint tokens without end; a success resets the patience."""
    async with source(emulator, clock) as tokens:
        for _ in range(100):
            token = await tokens.token()
            await tokens.renew(token)
            clock.now += 1
        assert granted(emulator) <= 10
        tokens.confirm()
        before = granted(emulator)
        await tokens.renew(await tokens.token())
        assert granted(emulator) == before + 1


async def test_living_token_outlasts_an_ims_outage(emulator, clock):
    """IMS down near expiry: the old token serves until it dies, and is replaced as soon as IMS is back."""
    emulator.control(token_ttl=10_000)
    async with source(emulator, clock) as tokens:
        first = await tokens.token()
        emulator.control(ims={"status": 503})
        clock.now += 9_100
        for _ in range(20):
            assert await tokens.token() is first
            await asyncio.sleep(0.005)
        emulator.control(ims=None)
        clock.now += 60
        assert await replaced(tokens, first)


async def test_cancelled_lane_does_not_take_the_token_away(emulator, clock):
    """A lane that gives up while the token is fetched leaves the others their token."""
    async with source(emulator, clock) as tokens:
        lanes = [asyncio.create_task(tokens.token()) for _ in range(3)]
        await asyncio.sleep(0)
        lanes[0].cancel()
        got = await asyncio.gather(*lanes, return_exceptions=True)
        assert isinstance(got[0], asyncio.CancelledError)
        assert isinstance(got[1], Token)
        assert got[1] is got[2]
        assert granted(emulator) == 1
        assert "Bearer" not in repr(got[1])
