"""The label `route`: on every sample, without a change of anything else, and without a cost where events are counted."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from bridge.telemetry.metrics import Metrics


class _Unlabelled(Collector):
    """The families as they were before the label."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self):
        return ()

    def collect(self):
        return CollectorRegistry.collect(self._metrics.registry)


def test_the_text_differs_by_the_label_only() -> None:
    """Names, help, types, order and values are to the byte what they are without it."""
    metrics = Metrics()
    metrics.delivered_events.inc(3)
    metrics.kafka_lag.labels("topic", "3").set(7)
    metrics.delivery_seconds.observe(0.3)
    metrics.dead_letters.labels("map", 'a"b\\').inc()
    before = CollectorRegistry()
    before.register(_Unlabelled(metrics))
    text = generate_latest(metrics.registry).decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines
    assert all('route="default"' in line for line in lines)
    stripped = text.replace('route="default",', "").replace(',route="default"', "").replace('{route="default"}', "")
    assert stripped == generate_latest(before).decode()


def test_what_counts_an_event_is_bound_once() -> None:
    """The metric that is counted has no label of its own: its value is one object, whatever the route is called."""
    metrics = Metrics("eu-west")
    assert metrics.delivered_events._labelnames == ()
    assert metrics.registry.get_sample_value("bridge_delivered_events_total") == 0
    metrics.delivered_events.inc(2)
    assert metrics.registry.get_sample_value("bridge_delivered_events_total", {"route": "eu-west"}) == 2
    assert metrics.registry.get_sample_value("bridge_delivered_events_total", {"route": "default"}) is None
