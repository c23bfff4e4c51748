"""Several processes behind one telemetry port: what each tells of itself, asked for when somebody asks and told apart by number.

Where they work on several routes the route tells them apart as well; its label is on their samples already.

One scrape target and one health check for a machine, however many processes work on it. Samples keep their names and
get a label ``process``; sums and maxima over the workers of a fleet come out as with a process each.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from bridge.telemetry.health import Health, TelemetryServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bridge.settings import TelemetrySettings
    from bridge.telemetry.metrics import GroupMetrics


@dataclass(frozen=True, slots=True)
class ProcessName:
    """Process ``number``; of a route, where the processes work on several (``route`` "": on one)."""

    number: int
    route: str = ""

    @property
    def words(self) -> str:
        """For a person."""
        return f"route {self.route}, process {self.number}" if self.route else f"process {self.number}"

    @property
    def key(self) -> str:
        """For a program."""
        return f"{self.route}/{self.number}" if self.route else str(self.number)


_PATIENCE = aiohttp.ClientTimeout(total=3.0)
"""Below the time that a scraper or a health check commonly waits itself."""


class GatheringServer(TelemetryServer):
    """A :class:`TelemetryServer` for a group: ``addresses`` gives the base URL of each process that has one currently."""

    def __init__(
        self,
        settings: TelemetrySettings,
        metrics: GroupMetrics,
        health: Health,
        addresses: Callable[[], Mapping[ProcessName, str]],
    ) -> None:
        super().__init__(settings, metrics, health)
        self._addresses = addresses

    async def metrics(self) -> bytes:
        """The group's own, and those of every process that answers."""
        told = await self._ask("/metrics")
        texts = {name: body.decode() for name, body in told.items() if body is not None}
        return await super().metrics() + merged(texts)

    async def dead(self) -> Mapping[str, str]:
        """A process that serves telemetry but does not answer, or says itself that only a restart helps.

        With several routes only when every route has one: a restart would stop the sound ones too, and a process that
        stands still ends by itself. Meanwhile it is a reason not to be ready.
        """
        found = await self._reasons("/health/live")
        routes = {name.route for name in self._addresses()}
        if len({name.route for name in found}) < len(routes):
            found = {}
        return {**await super().dead(), **_in_words(found)}

    async def unready(self) -> Mapping[str, str]:
        """Every reason of every process, by its name and number."""
        return {**await super().unready(), **_in_words(await self._reasons("/health/ready"))}

    async def reports(self) -> Mapping[str, Any]:
        """Every process's own, by its number; None of one that does not answer."""
        told = await self._ask("/status")
        return {
            name.key: None if body is None else orjson.loads(body).get("processes", {}).get("")
            for name, body in told.items()
        }

    async def _reasons(self, path: str) -> dict[ProcessName, Mapping[str, str]]:
        """By process; of one that does not answer the reason has no name."""
        answers = {
            name: {"": "does not answer"} if body is None else orjson.loads(body).get("reasons", {})
            for name, body in (await self._ask(path)).items()
        }
        return {name: reasons for name, reasons in answers.items() if reasons}

    async def _ask(self, path: str) -> dict[ProcessName, bytes | None]:
        addresses = dict(self._addresses())
        # Loopback only: whatever proxy the environment names is not for this.
        async with aiohttp.ClientSession(timeout=_PATIENCE, trust_env=False) as client:
            answers = await asyncio.gather(*(_get(client, address + path) for address in addresses.values()))
        # One that has ended while it was asked is nobody's trouble any more.
        still = self._addresses()
        return {
            name: answer
            for (name, address), answer in zip(addresses.items(), answers, strict=True)
            if answer is not None or still.get(name) == address
        }


async def _get(client: aiohttp.ClientSession, url: str) -> bytes | None:
    try:
        async with client.get(url) as answer:
            return await answer.read()
    except (aiohttp.ClientError, TimeoutError):
        return None


def _in_words(found: Mapping[ProcessName, Mapping[str, str]]) -> dict[str, str]:
    return {
        f"{reason} ({name.words})" if reason else name.words: why
        for name, reasons in found.items()
        for reason, why in reasons.items()
    }


def merged(texts: Mapping[ProcessName, str]) -> bytes:
    """Prometheus texts by process as one text; every sample gets the label ``process``. Pure."""
    families: dict[str, Metric] = {}
    for name, text in texts.items():
        for family in text_string_to_metric_families(text):
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            known.samples += [
                sample._replace(labels={**sample.labels, "process": str(name.number)}) for sample in family.samples
            ]
    registry = CollectorRegistry()
    registry.register(_Families(families.values()))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families
