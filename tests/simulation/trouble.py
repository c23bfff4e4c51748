"""When what goes wrong, as the seed wants it: some kinds of fault by plan, and a storm of them by chance."""

import asyncio

from simulation.faults import FAULTS
from simulation.plan import share

_PATIENCE_SECONDS = 40.0
"""Longest that a planned fault goes on while the workers have not met it."""
_LOOK_SECONDS = 0.25
_SETTLE_SECONDS = 4.0


def planned(world):
    """The kinds of fault that the workers of a world meet by plan: every third, and what makes sense only there."""
    dealt = share(world.seed, "faults", [fault for fault in FAULTS if fault.where is None], seeds=3)
    return dealt + [fault for fault in FAULTS if fault.where is not None and fault.where(world)]


class Trouble:
    """First the planned faults, one by one, each until the workers have met it; then a storm: ``rate`` a second, each in its time."""

    def __init__(self, world, seconds, rate):
        self._world = world
        self._draw = world.stream("faults")
        self._seconds, self._rate = seconds, rate
        self._ends = {}
        self.begun = 0

    async def run(self):
        """Until it is over; what has not ended by then goes on until :meth:`heal`."""
        draw, loop = self._draw, self._world.loop
        await asyncio.sleep(_SETTLE_SECONDS)
        plan = planned(self._world)
        draw.shuffle(plan)
        for fault in plan:
            await self._show(fault)
        weights, over = [fault.weight for fault in FAULTS], loop.time() + self._seconds
        while loop.time() + (pause := draw.expovariate(self._rate)) < over:
            await asyncio.sleep(pause)
            fault = draw.choices(FAULTS, weights)[0]
            seconds = draw.choice(fault.lasts) * draw.uniform(0.5, 1.5)
            number = self._begin(fault, f"{fault.name} for {seconds:.2f} s")
            loop.outside(seconds, self._end, number, fault.name)

    def _begin(self, fault, told):
        world = self._world
        world.trace("fault", lambda: told)
        world.count(f"fault: {fault.name}")
        self.begun += 1
        self._ends[self.begun] = [fault.begin(world, self._draw)]
        return self.begun

    async def _show(self, fault):
        """Where nothing else is broken hardly anything keeps the workers from meeting it."""
        world, draw = self._world, self._draw
        before = {what: world.counters[what] for what in fault.shows if world.may_show(what)}
        number = self._begin(fault, f"{fault.name} until it is met")
        began = last = world.loop.time()
        while any(world.counters[what] == times for what, times in before.items()):
            now = world.loop.time()
            if now - began > _PATIENCE_SECONDS:
                world.count(f"not met in time: {fault.name}")
                break
            if fault.again is not None and now - last >= fault.again:
                last = now
                self._ends[number].append(fault.begin(world, draw))
            await asyncio.sleep(_LOOK_SECONDS)
        took = world.loop.time() - began
        world.trace("fault", lambda: f"{fault.name} took {took:.2f} s")
        await asyncio.sleep(draw.random() * min(fault.lasts[-1], 3.0))
        self._end(number, fault.name)

    def _end(self, number, name):
        ends = [end for end in self._ends.pop(number, ()) if end is not None]
        if ends:
            self._world.trace("fault", lambda: f"{name} is over")
        for end in ends:
            end()

    def heal(self):
        """End everything that is broken."""
        for number in list(self._ends):
            self._end(number, "by healing")
        for log in self._world.cluster.logs.values():
            log.damaged.clear()
