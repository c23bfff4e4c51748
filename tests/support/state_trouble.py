"""The state's log as tests trouble it, and what is told of that."""

import asyncio

from state_doubles import MemoryLog

from bridge.kafka.producer.refusal import Refused, RefusedByKafka
from bridge.model.errors import KafkaError
from bridge.testing.virtual_loop import VirtualLoop

AWAY = KafkaError("away")
TOO_LARGE = RefusedByKafka([Refused(0, "too_large", "too large")])


def run_virtually(work):
    """A coroutine to its end, hours in a moment."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(asyncio.wait_for(work, 10_000))


class ToldLog(MemoryLog):
    """``reading`` is asked for the batches of each reading, instead of all that is there."""

    def __init__(self, reading=None):
        super().__init__()
        self.reading, self.since = reading, []

    async def read(self, since):
        """Batches."""
        self.since.append(dict(since))
        async for batch in super().read(since) if self.reading is None else self.reading(since):
            yield batch

    def claims(self):
        """How often the first partition was claimed, by tokens of which none is another's."""
        tokens = [token for _, key, token in self.partitions[0] if key.startswith(b"claim")]
        assert len(set(tokens)) == len(tokens)
        return len(tokens)


class Delays:
    """A second after each failure; keeps how many in a row they were."""

    def __init__(self):
        self.failures = []

    def delay(self, failures):
        """Seconds."""
        self.failures.append(failures)
        return 1.0


def delays_of(scene):
    """How many failures in a row were waited for, from now on."""
    delays = scene.keeper._restoring.backoff = scene.keeper._storing.backoff = Delays()
    return delays.failures


def state_metric(scene, name):
    """A metric of the state by the end of its name."""
    return scene.metrics.registry.get_sample_value(f"bridge_state_{name}")


def waiting_for(scene, **value):
    """A task that maps one record."""
    return asyncio.create_task(scene.take({"key": "k", "letters": "a", **value}))


def under_way():
    """Names of the state's tasks."""
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("state-")]


def told_events(lines):
    """Names of log lines."""
    return [line["event"] for line in lines]
