"""Registries of Prometheus metrics that label what they give with a route, and that give several as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class RouteRegistry(CollectorRegistry):
    """Gives every sample the label ``route`` when somebody asks: counting costs no more than without it."""

    def __init__(self, route: str) -> None:
        super().__init__()
        self._route = route

    def collect(self) -> Iterable[Metric]:
        """Every family, its samples labelled."""
        for family in super().collect():
            labelled = Metric(family.name, family.documentation, family.type, family.unit)
            labelled.samples = [
                sample._replace(labels={**sample.labels, "route": self._route}) for sample in family.samples
            ]
            yield labelled

    def get_sample_value(self, name: str, labels: Mapping[str, str] | None = None) -> float | None:
        """The value of one sample; its label ``route`` need not be named."""
        return super().get_sample_value(name, {"route": self._route, **(labels or {})})


class JoinedRegistries(Collector):
    """Several registries as one: each family once, with the samples of all."""

    def __init__(self, registries: Iterable[CollectorRegistry]) -> None:
        self._registries = tuple(registries)

    def describe(self) -> Iterable[Metric]:
        """Nothing: what was registered elsewhere was looked at there."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Every family."""
        families: dict[str, Metric] = {}
        for registry in self._registries:
            for family in registry.collect():
                if (known := families.setdefault(family.name, family)) is not family:
                    known.samples += family.samples
        return families.values()
