"""A real Prometheus with the shipped rules: scrapes every process of the stage once a second, and tells which alerts stand."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import yaml
from checkout import ROOT
from debian_tools import ToolUnavailableError, find_tool

from bridge.testing.processes import Child, end, eventually, free_port, get, start_tied

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from stage import Stage

RULES = ROOT / "docs/deploy/alerts.yml"
_JOBS = ("worker", "receiver")
_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """One alert as Prometheus told it: ``at`` in seconds on the monotonic clock, ``state`` pending or firing."""

    at: float
    name: str
    state: str
    labels: Mapping[str, str]


@dataclass(slots=True)
class Prometheus:
    """Runs from entering to leaving. ``missing`` says why there is none on this machine; in CI that is an error."""

    stage: Stage
    directory: Path
    standing: list[Standing] = field(default_factory=list)
    missing: str = ""
    _child: Child | None = None
    _task: asyncio.Task[None] | None = None
    _url: str = ""

    async def __aenter__(self) -> Self:
        try:
            program = await asyncio.to_thread(find_tool, "prometheus", "prometheus")
        except ToolUnavailableError as reason:
            if os.environ.get("CI", "").lower() in {"1", "true"}:
                raise
            self.missing = str(reason)
            return self
        self.directory.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self._targets()
        config = self.directory / "prometheus.yml"
        config.write_text(yaml.safe_dump(self._config()), encoding="utf-8")
        command = [
            str(program),
            f"--config.file={config}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        self._child = start_tied(command, log=self.directory / "prometheus.log")
        await asyncio.to_thread(eventually, self._up, within=30, what="Prometheus is ready")
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._child is not None:
            await asyncio.to_thread(end, self._child, grace=5)

    def _up(self) -> bool:
        assert self._child is not None
        log = self.directory / "prometheus.log"
        assert self._child.poll() is None, f"Prometheus ended:\n{log.read_text(errors='replace')}"
        return get(self._url + "/-/ready")[0] == 200

    def _config(self) -> dict[str, object]:
        """Jobs as in docs/deploy/prometheus.yml, more often, as a run is short."""
        return {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [
                {
                    "job_name": job,
                    "metrics_path": "/metrics",
                    "file_sd_configs": [{"files": [str(self.directory / f"{job}.json")], "refresh_interval": "1s"}],
                }
                for job in _JOBS
            ],
        }

    def _targets(self) -> None:
        for job in _JOBS:
            found = [
                f"127.0.0.1:{role.process.telemetry_port}"
                for name, role in sorted(self.stage.roles.items())
                if name.startswith(job) and role.wanted
            ]
            text = json.dumps([{"targets": found}])
            file = self.directory / f"{job}.json"
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                fresh = file.with_suffix(".new")
                fresh.write_text(text, encoding="utf-8")
                fresh.replace(file)

    async def _watch(self) -> None:
        while True:
            self._targets()
            at = time.monotonic()
            code, text = await asyncio.to_thread(get, self._url + "/api/v1/alerts", timeout=3.0)
            if code == 200:
                self.standing += standing_of(at, json.loads(text))
            await asyncio.sleep(_EVERY)


def standing_of(at: float, answer: Mapping[str, object]) -> list[Standing]:
    """The alerts of an answer of ``/api/v1/alerts``."""
    data = answer["data"]
    assert isinstance(data, dict)
    return [Standing(at, each["labels"]["alertname"], each["state"], each["labels"]) for each in data["alerts"]]


def names_of(standing: Iterable[Standing]) -> dict[str, int]:
    """Of each alert how many looks found it pending or firing."""
    found: dict[str, int] = {}
    for each in standing:
        found[each.name] = found.get(each.name, 0) + 1
    return dict(sorted(found.items()))


def within(standing: Sequence[Standing], first: float, last: float) -> list[Standing]:
    """Those told from ``first`` to ``last``, in seconds on the monotonic clock."""
    return [each for each in standing if first <= each.at <= last]
