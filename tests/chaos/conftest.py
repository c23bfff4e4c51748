"""Three brokers, and what the chaos run was asked for."""

from __future__ import annotations

import importlib
import secrets
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from faults import KINDS

# Each registers the faults of its lane.
for _lane in (
    "faults_aep",
    "faults_processes",
    "faults_brokers",
    "faults_log",
    "faults_topics",
    "faults_certificates",
    "faults_events",
):
    importlib.import_module(_lane)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.testing.kafka.cluster import Cluster


_SHORT_SEED = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for; ``seconds`` None: every kind of fault has one turn."""

    seconds: float | None
    seed: int
    rate: float
    report: Path
    gaps: tuple[float, float]
    pace: float
    patience: float
    only: tuple[str, ...] = ()

    @property
    def brief(self) -> bool:
        """Whether it is the run of every change, in which each kind has its turn."""
        return self.seconds is None and not self.only


@pytest.fixture
def chaos(request: pytest.FixtureRequest) -> Asked:
    """The options. Where no seed is given a long run draws one; the short run of every change is the same each time."""
    option = request.config.getoption
    seconds = option("--chaos-seconds")
    seed = option("--chaos-seed")
    if seed is None:
        seed = _SHORT_SEED if seconds is None else secrets.randbelow(1_000_000)
    return Asked(
        seconds=seconds,
        seed=seed,
        rate=option("--chaos-rate"),
        report=request.config.rootpath / option("--chaos-report"),
        gaps=(0.1, 0.8) if seconds is None else (1.0, 12.0),
        pace=0.3 if seconds is None else 1.0,
        patience=4.0 if seconds is None else 20.0,
        only=_kinds(option("--chaos-only")),
    )


def _kinds(asked: str) -> tuple[str, ...]:
    names = tuple(name for name in asked.split(",") if name)
    unknown = set(names) - set(KINDS)
    assert not unknown, f"no such faults: {sorted(unknown)}; there are {sorted(KINDS)}"
    return names


@dataclass(frozen=True, slots=True)
class Soaking:
    """A steady run: a fault ``every`` so many seconds, ``rate`` events a second."""

    seconds: float
    seed: int
    rate: float
    every: float
    report: Path


@pytest.fixture
def soak(request: pytest.FixtureRequest) -> Soaking:
    """The options; without ``--soak-seconds`` there is no such run, as a short one says nothing about growth."""
    option = request.config.getoption
    if (seconds := option("--soak-seconds")) is None:
        pytest.skip("only with --soak-seconds (make soak): a short run says nothing about growth")
    seed = option("--soak-seed")
    return Soaking(
        seconds=seconds,
        seed=secrets.randbelow(1_000_000) if seed is None else seed,
        rate=option("--soak-rate"),
        every=option("--soak-every"),
        report=request.config.rootpath / option("--soak-report"),
    )


@pytest.fixture
def kafka_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three nodes of Apache Kafka: three replicas, two of them for a write."""
    from bridge.testing.kafka.cluster import Cluster
    from bridge.testing.kafka.jars import BrokerUnavailableError

    try:
        cluster = Cluster(tmp_path / "kafka", secure=True)
    except BrokerUnavailableError as reason:
        pytest.skip(f"not run against a real Kafka: {reason}")
    with cluster:
        yield cluster
    for broker in cluster.brokers:
        shutil.rmtree(broker.directory / "data", ignore_errors=True)  # gigabytes, which pytest would keep
