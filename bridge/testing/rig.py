"""A deployment of one route, or of several: topics, emulators, the bridge's own processes, and what was sent and promised."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, Self

from bridge.testing.commands import Commands
from bridge.testing.emulator_process import EmulatorProcess
from bridge.testing.processes import free_port
from bridge.testing.route_under_test import RouteUnderTest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_PREFIX = "BRIDGE_"
_DEFAULT_SOURCE = "moengage"


def _shared(bootstrap: str, receiver_port: int) -> dict[str, str]:
    """What holds for every route: quick to notice, quick to commit."""
    return {
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "BRIDGE_KAFKA__SESSION_TIMEOUT_SECONDS": "6",
        "BRIDGE_KAFKA__COMMIT_INTERVAL_SECONDS": "0.3",
        "BRIDGE_AEP__LINGER_SECONDS": "0.1",
        "BRIDGE_MOENGAGE__LINGER_SECONDS": "0.1",
        "BRIDGE_RECEIVER__HOST": "127.0.0.1",
        "BRIDGE_RECEIVER__PORT": str(receiver_port),
        "BRIDGE_RECEIVER__AUTH": "basic",
        "BRIDGE_TELEMETRY__LOG_FORMAT": "json",
    }


class Rig(RouteUnderTest, Commands):
    """One route, told by environment variables; ended with the test. ``settings`` are variables that win."""

    def __init__(
        self, bootstrap: str, topic: Callable[..., str], directory: Path, *, partitions: int = 6, **settings: str
    ) -> None:
        Commands.__init__(self, directory)
        port = free_port()
        emulator = EmulatorProcess(directory)
        streams = f"http://127.0.0.1:{port}/moengage/streams"
        RouteUnderTest.__init__(self, bootstrap, topic, emulator, streams=streams, partitions=partitions, more=settings)
        self.owns(emulator)
        self._shared = _shared(bootstrap, port)

    @property
    def settings(self) -> dict[str, str]:
        """Settings of receiver and worker."""
        return self._shared | self.own_settings

    def __enter__(self) -> Self:
        self.emulator.start().wait_up()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class RoutesRig(Commands):
    """Several routes, told by ``bridge.toml`` in ``directory``, each with an emulator of its own.

    ``routes``: by name the route's settings (names of variables); ``sources`` and ``destinations``: its kinds where they are not
    ``moengage`` and ``aep``; ``more``: settings for all.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: Callable[..., str],
        directory: Path,
        routes: Mapping[str, Mapping[str, str]],
        *,
        sources: Mapping[str, str] | None = None,
        destinations: Mapping[str, Literal["aep", "moengage"]] | None = None,
        partitions: int = 2,
        **more: str,
    ) -> None:
        super().__init__(directory)
        port = free_port()
        self._sources, self._destinations = sources or {}, destinations or {}
        self._shared = _shared(bootstrap, port) | more
        self.routes: dict[str, RouteUnderTest] = {}
        for name, settings in routes.items():
            emulator = self._emulator(name, settings)
            self.owns(emulator)
            self.routes[name] = RouteUnderTest(
                bootstrap,
                topic,
                emulator,
                streams=f"http://127.0.0.1:{port}/{_path_of(self._sources.get(name, _DEFAULT_SOURCE))}/{name}",
                # Digits alone, which a careless reader of settings takes for a number.
                credentials=(name, f"000{len(self.routes)}"),
                partitions=partitions,
                label=f"{name}.",
                more=dict(settings),
            )

    def __getitem__(self, name: str) -> RouteUnderTest:
        return self.routes[name]

    def write(self) -> None:
        """Write ``bridge.toml`` anew."""
        parts = [_tables(self._shared)]
        for name, route in self.routes.items():
            destination = self._destinations.get(name, "aep")
            source = self._sources.get(name, _DEFAULT_SOURCE)
            parts.append(f"[routes.{name}]\nsource = '{source}'\ndestination = '{destination}'\n")
            parts.append(_tables(route.own_settings, f"routes.{name}."))
        (self.directory / "bridge.toml").write_text("".join(parts), encoding="utf-8")

    def __enter__(self) -> Self:
        self.write()
        for route in self.routes.values():
            route.emulator.start()
        for route in self.routes.values():
            route.emulator.wait_up()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _emulator(self, name: str, settings: Mapping[str, str]) -> EmulatorProcess:
        if self._destinations.get(name) == "moengage":
            return EmulatorProcess(self.directory / name, kind="moengage")
        payload = settings.get("BRIDGE_AEP__PAYLOAD", "xdm")
        return EmulatorProcess(self.directory / name, BRIDGE_AEP__PAYLOAD=payload)


def _path_of(source: str) -> str:
    return "moengage/streams" if source == _DEFAULT_SOURCE else source


def _tables(variables: Mapping[str, str], prefix: str = "") -> str:
    """``BRIDGE_KAFKA__TOPIC=t`` -> ``[kafka]`` and ``topic = "t"``, in TOML; an empty value leaves the key out."""
    sections: dict[str, dict[str, Any]] = {}
    for variable, value in variables.items():
        section, key = variable.removeprefix(_PREFIX).lower().split("__", 1)
        if value:
            sections.setdefault(section, {})[key] = value
    return "".join(
        f"[{prefix}{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        for section, keys in sections.items()
    )
