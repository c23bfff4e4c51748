"""The state topic: what workers remember over the death of a process, with brokers that are late or away."""

import asyncio

from bridge.errors import KafkaError

_PATIENCE = 5.0


class SimulatedState:
    """In the place of StateTopic; what is stored is the world's."""

    def __init__(self, world, random):
        self._world, self._random = world, random

    async def open(self):
        """Find it."""
        await self._ask()

    async def read(self):
        """All values by key."""
        await self._ask()
        return dict(self._world.state)

    async def write(self, values):
        """Store them together; what is cancelled or refused may be stored all the same."""
        late = self._random.random() < 0.2
        if not late:
            await self._ask()
        if self._world.cluster.reachable:
            self._world.state.update(values)
        if late:
            await self._ask()

    async def _ask(self):
        if not self._world.cluster.reachable:
            await asyncio.sleep(_PATIENCE * self._random.random())
            self._world.count("the state topic does not answer")
            raise KafkaError("simulated")
        await asyncio.sleep(self._random.choice((0.001, 0.01, 0.3)) * self._random.random())
