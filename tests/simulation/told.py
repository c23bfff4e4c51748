"""Whether trouble is told: what has lasted longer than its bound must be named by health or a metric of the worker it troubles."""

import asyncio

_EVERY = 1.0


class Telling:
    """Looks once a virtual second."""

    def __init__(self, world):
        self._world = world
        self._since = {}

    async def run(self):
        """Until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            for node in self._world.nodes:
                self._look(node)

    def _look(self, node):
        world = self._world
        reasons = node.unready
        if reasons is None:
            self._forget(node)
            return
        node.check_confirmed()
        worker = node.worker
        fetched = worker.ledger.events > 0
        modes, brokers = world.aep.modes, world.cluster.modes
        waits = worker.delivery.events > 0
        # Of two troubles at once either is enough: whoever looks into one finds the other.
        refused_or_away = bool({"destination", "credentials", "settings"} & set(reasons))
        self._ask(node, "destination away", there=waits and "down" in modes, bound=60.0, told=refused_or_away)
        self._ask(
            node,
            "credentials refused",
            there=waits and "unauthorized" in modes,
            bound=60.0,
            told="credentials" in reasons,
        )
        self._ask(node, "throttled", there=waits and "throttled" in modes, bound=90.0, told=refused_or_away)
        letters = bool(len(worker.letters)) and "refuses" in world.letters.modes
        self._ask(node, "dead letters refused", there=letters, bound=60.0, told="dead_letters" in reasons)
        keeper = worker.assembly.keeper
        state = keeper is not None and (world.route_state.modes.get("fails") == 1.0 or "silent" in brokers)
        state = state and any(shelf.due or shelf.storing for shelf in keeper._shelves.values())
        # Who may not be a member any more asks the group first whether it may write.
        told = "state" in reasons or "group" in reasons
        self._ask(node, "state cannot be written", there=state, bound=12.0, told=told)
        away = fetched and worker.joined and ("silent" in brokers or "away" in brokers)
        self._ask(node, "brokers away", there=away, bound=40.0, told="brokers" in reasons or "group" in reasons)
        self._ask(node, "not in the group", there=not worker.joined, bound=5.0, told=bool(reasons))
        for partition in worker.ledger.committed():
            log = world.cluster.logs[partition]
            here = world.cluster.coordinator.committed.get(partition, log.start)
            blocked = any(entry.unparsable or entry.offset in log.damaged for entry in log.read(here, 1))
            self._ask(node, f"unreadable {partition[1]}", there=blocked, bound=60.0, told="reading" in reasons)

    def _ask(self, node, what, *, there, bound, told):
        key, now = (node.process.name, what), self._world.loop.time()
        if not there or told:
            if told and there:
                self._world.count(f"told: {what.rstrip('0123456789 ')}")
            self._since.pop(key, None)
            return
        since = self._since.setdefault(key, now)
        if now - since > bound:
            raise AssertionError(
                f"{node.process.name} does not tell for {now - since:.0f} s: {what}; it says {node.unready}"
            )

    def _forget(self, node):
        if node.process is not None:
            name = node.process.name
            for key in [key for key in self._since if key[0] == name]:
                del self._since[key]
