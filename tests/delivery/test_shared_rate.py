"""Two routes to one organisation under one parent: its rates and its 429 are for both, their outages are each one's own."""

import asyncio

import pytest
from virtual_delivery import OK, Destination, Resolutions, events

from bridge.delivery.delivery import Delivery
from bridge.delivery.pace_board import Board
from bridge.delivery.shared_rate import SharedRate
from bridge.model.delivery_policy import DeliveryPolicy
from bridge.model.verdicts import Throttled, Transient
from bridge.telemetry.metrics import Metrics
from bridge.testing.virtual_loop import VirtualLoop

HALF = 0.5


class _Routes:
    """Two routes whose workers have an account of one board; ``answers`` are those of each one's endpoint."""

    def __init__(self, *answers, board=None, **policy):
        board = board or Board.create()
        clock = asyncio.get_running_loop().time
        self.destinations = [Destination(answer) for answer in answers]
        self.done = [Resolutions() for _ in answers]
        self.deliveries = [
            Delivery(
                destination,
                resolutions,
                DeliveryPolicy(linger=0.1, share=lambda: HALF, **policy),
                Metrics(f"route-{number}"),
                clock=clock,
                account=board.account("aep one organisation", number + 1),
            )
            for number, (destination, resolutions) in enumerate(zip(self.destinations, self.done, strict=True))
        ]
        self._ticking = asyncio.create_task(self._tick())
        for delivery in self.deliveries:
            delivery.start()

    async def _tick(self):
        while True:
            for delivery in self.deliveries:
                delivery.tick()
            await asyncio.sleep(1)

    def offer(self, route, count):
        """So many events."""
        for owner in range(count // 50):
            self.deliveries[route].offer(owner, events(owner * 50, 50))

    def sent(self, route, since=0.0):
        """Events of each request after a moment, and when it left."""
        return [(at, len(items)) for at, items in self.destinations[route].requests if at >= since]

    async def stop(self):
        """End all."""
        self._ticking.cancel()
        for delivery in self.deliveries:
            await delivery.stop()


def _run(main):
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def test_what_one_route_leaves_the_other_uses() -> None:
    """A route that idles costs nothing of the limit; when both have work they keep it together, and each has some."""

    async def main():
        now = asyncio.get_running_loop().time
        routes = _Routes(lambda *_: OK, lambda *_: OK, events_per_second=500.0)
        await asyncio.sleep(2)
        began = now()
        routes.offer(0, 10_000)
        await asyncio.sleep(10)
        alone = sum(count for _, count in routes.sent(0, began))
        routes.offer(1, 10_000)
        await asyncio.sleep(1)
        both = now()
        await asyncio.sleep(8)
        together = [sum(count for _, count in routes.sent(route, both)) for route in (0, 1)]
        await routes.stop()
        return alone, together

    alone, together = _run(main)
    assert 4_500 <= alone <= 500 * 10.25 + 50
    assert 3_500 <= sum(together) <= 500 * 8.25 + 100
    assert min(together) > 0


def test_a_429_pauses_both_and_each_goes_on_after_it() -> None:
    """What the organisation is told to wait holds for every route to it."""

    async def main():
        now = asyncio.get_running_loop().time
        told = []

        def answer(*_):
            if told:
                return OK
            told.append(now())
            return Throttled(429, 20.0)

        routes = _Routes(answer, lambda *_: OK)
        await asyncio.sleep(1)
        routes.offer(0, 50)
        await asyncio.sleep(1)
        routes.offer(1, 500)
        await asyncio.sleep(15)
        held = routes.sent(1)
        await asyncio.sleep(10)
        done = [sum(each.done.values()) for each in routes.done]
        await routes.stop()
        return held, done, [delivery.blocked for delivery in routes.deliveries]

    held, done, blocked = _run(main)
    assert (held, done, blocked) == ([], [50, 500], [False, False])


@pytest.mark.parametrize("trouble", [Throttled(503, 60.0), Throttled(503), Transient("AEP answered 503")])
def test_an_outage_is_its_routes_own(trouble) -> None:
    """A route's endpoint is away, whether it says for how long or not: the other's events leave as ever."""

    async def main():
        routes = _Routes(lambda *_: trouble, lambda *_: OK)
        await asyncio.sleep(1)
        routes.offer(0, 500)
        await asyncio.sleep(5)
        routes.offer(1, 500)
        await asyncio.sleep(1)
        done = [sum(each.done.values()) for each in routes.done]
        await routes.stop()
        return done

    assert _run(main) == [0, 500]


def test_two_that_look_at_once_wait_for_both_afterwards() -> None:
    """Each sees the time that the other has taken; a rate of 0 is none."""
    board = Board.create()
    first, second = (SharedRate(10.0, board.account("one", member), 7) for member in (1, 2))
    assert (first.wait(100.0), second.wait(100.0)) == (0.0, 0.0)
    first.spend(10, 100.0)
    second.spend(10, 100.0)
    assert first.wait(100.0) == second.wait(100.0) == pytest.approx(2.0 - 0.25)
    none = SharedRate(0.0, board.account("one", 3), 8)
    none.spend(1_000, 100.0)
    assert none.wait(100.0) == 0.0
