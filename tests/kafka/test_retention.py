"""What is told of the topic's retention, and when it is not known."""

import asyncio
import math
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka.admin.config_resource import ConfigResourceType
from structlog.testing import capture_logs

from bridge.kafka import retention
from bridge.model.errors import KafkaError
from bridge.settings import KafkaSettings
from bridge.telemetry.metrics import Metrics
from bridge.testing.virtual_loop import VirtualLoop


def _brokers(monkeypatch, *answers):
    """Each question gets the next answer: (code, entries), or an error."""
    left = list(answers)

    @asynccontextmanager
    async def admin(_kafka):
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer

        async def describe_configs(resources):
            (asked,) = resources
            assert (asked.resource_type, asked.name) == (ConfigResourceType.TOPIC, KafkaSettings().topic)
            code, entries = answer
            return [SimpleNamespace(resources=[(code, "", 2, "t", entries)])]

        yield SimpleNamespace(describe_configs=describe_configs)

    monkeypatch.setattr(retention, "admin", admin)


@pytest.mark.parametrize(
    ("code", "entries", "seconds"),
    [
        (0, [("cleanup.policy", "delete"), ("retention.ms", "90000")], 90.0),
        (0, [("retention.ms", "-1")], math.inf),
        (0, [("retention.ms", "0")], 0.0),
        (0, [], math.nan),
        (29, [("retention.ms", "90000")], math.nan),
    ],
)
async def test_retention_in_seconds(monkeypatch, code, entries, seconds):
    """Milliseconds of the topic, for ever, and what a broker does not tell or does not permit."""
    _brokers(monkeypatch, (code, entries))
    found = await retention.retention_seconds(KafkaSettings())
    assert found == seconds or (math.isnan(found) and math.isnan(seconds))


async def test_it_is_asked_again_and_its_absence_is_told_once_in_a_row(monkeypatch):
    """A retention that is changed shows; one that is not known is not a number, and one line says so."""
    monkeypatch.setattr(retention, "_EVERY_SECONDS", 0.01)
    good = (0, [("retention.ms", "1000")])
    _brokers(monkeypatch, good, KafkaError("away"), KafkaError("away"), good, KafkaError("away"))
    metrics = Metrics()
    assert math.isnan(metrics.topic_retention_seconds._value.get())
    seen = []
    monkeypatch.setattr(metrics.topic_retention_seconds, "set", seen.append)
    with capture_logs() as lines:
        task = asyncio.create_task(retention.watch_retention(KafkaSettings(), metrics))
        while len(seen) < 6:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        task.cancel()
    assert [None if math.isnan(value) else value for value in seen[:6]] == [1.0, None, None, 1.0, None, None]
    assert [(line["log_level"], line["why"]) for line in lines] == 2 * [("warning", "away")]


async def test_what_is_not_known_is_told_when_it_begins(monkeypatch):
    """From the start on, and after a time in which it was known: with the first answer that lacks it."""
    monkeypatch.setattr(retention, "_EVERY_SECONDS", 0.01)
    away = KafkaError("away")
    _brokers(monkeypatch, away, away, (0, [("retention.ms", "1000")]), away, away, away)
    metrics, told = Metrics(), []
    with capture_logs() as lines:
        monkeypatch.setattr(metrics.topic_retention_seconds, "set", lambda _found: told.append(len(lines)))
        task = asyncio.create_task(retention.watch_retention(KafkaSettings(), metrics))
        while len(told) < 6:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        task.cancel()
    assert told[:6] == [1, 1, 1, 2, 2, 2]


async def test_an_answer_that_makes_no_sense_ends_neither_the_watch_nor_the_doubt(monkeypatch):
    """What was known before is not shown on, and it is asked again."""
    monkeypatch.setattr(retention, "_EVERY_SECONDS", 0.01)
    good = (0, [("retention.ms", "1000")])
    _brokers(monkeypatch, good, (0, [("retention.ms", "for ever")]), good)
    metrics, seen = Metrics(), []
    monkeypatch.setattr(metrics.topic_retention_seconds, "set", seen.append)
    with capture_logs() as lines:
        task = asyncio.create_task(retention.watch_retention(KafkaSettings(), metrics))
        while len(seen) < 3 and not task.done():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        task.cancel()
    assert [None if math.isnan(value) else value for value in seen[:3]] == [1.0, None, 1.0]
    assert [line["why"] for line in lines] == ["unexpected ValueError"]


def test_the_brokers_are_asked_every_five_minutes(monkeypatch):
    """Often enough for an alert, and no load."""
    _brokers(monkeypatch, (0, [("retention.ms", "1000")]))
    asked, metrics = [], Metrics()

    async def watch():
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(metrics.topic_retention_seconds, "set", lambda _found: asked.append(loop.time()))
        task = asyncio.create_task(retention.watch_retention(KafkaSettings(), metrics))
        await asyncio.sleep(1_000)
        task.cancel()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(watch())
    assert [at - asked[0] for at in asked] == [0.0, 300.0, 600.0, 900.0]
