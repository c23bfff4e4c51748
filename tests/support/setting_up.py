"""A route that is to be set up against an emulated organisation, in a working directory of its own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.adobe import client as platform_client
from bridge.adobe.client import PlatformClient
from bridge.adobe.provisioning.verification import Patience, verify
from bridge.routes.probing import open_probe
from bridge.routes.setting_up import carry_out, look_for, write_down
from bridge.settings import load_deployment
from bridge.telemetry.metrics import Metrics

if TYPE_CHECKING:
    import pytest

    from bridge.adobe.provisioning.steps import Step
    from bridge.adobe.provisioning.verification import Station
    from bridge.emulators.adobe import Emulator
    from bridge.routes.setting_up import Outlook
    from bridge.settings.writing import Edit

ROOT = Path(__file__).resolve().parents[2]
TENANT = "acme"


async def no_sleep(_seconds: float) -> None:
    """Time passes at once."""


class Heard:
    """Keeps what progress is told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def began(self, step: Step) -> None:
        """A request is sent."""
        self.said.append(("began", str(step.kind)))

    def unsure(self, step: Step, _why: str) -> None:
        """Its answer was lost."""
        self.said.append(("unsure", str(step.kind)))

    def done(self, step: Step, _seconds: float) -> None:
        """AEP has it."""
        self.said.append(("done", str(step.kind)))


def credentials(emulator: Emulator, **more: str) -> str:
    """A .env file with what the Developer Console gives, and nothing else."""
    lines = {
        "BRIDGE_AEP__ORG_ID": emulator.org_id,
        "BRIDGE_AEP__PLATFORM_URL": emulator.url,
        "BRIDGE_OAUTH__TOKEN_URL": emulator.token_url,
        "BRIDGE_OAUTH__CLIENT_ID": emulator.client_id,
        "BRIDGE_OAUTH__CLIENT_SECRET": emulator.client_secret,
        **more,
    }
    return "# what the Developer Console gives\n" + "".join(f"{name}={value}\n" for name, value in lines.items())


def write_credentials(folder: Path, emulator: Emulator, **more: str) -> None:
    """The same as a file, with the shipped mapping set by its place: the default was looked up in another folder."""
    more = {"BRIDGE_MAPPING__PATH": str(ROOT / "mappings/moengage_events.csv"), **more}
    (folder / ".env").write_text(credentials(emulator, **more), encoding="utf-8")


def text_of(name: str) -> str:
    """A file of the working directory."""
    return Path(name).read_text(encoding="utf-8")


def put(name: str, text: str) -> None:
    """Write it."""
    Path(name).write_text(text, encoding="utf-8")


def append(text: str) -> None:
    """Add to .env."""
    put(".env", text_of(".env") + text)


def remove(name: str) -> None:
    """Delete it where it exists."""
    Path(name).unlink(missing_ok=True)


def client_for(name: str = "default") -> PlatformClient:
    """A client for the route of that name, of the settings of the working directory; it never sleeps."""
    route = next(one for one in load_deployment().routes if one.name == name)
    return PlatformClient(route.settings, Metrics(), sleep=no_sleep)


async def planned(name: str = "default") -> Outlook:
    """What ``setup plan`` sees."""
    route = next(one for one in load_deployment().routes if one.name == name)
    async with client_for(name) as client:
        return await look_for(route, client)


async def applied(name: str = "default", heard: Heard | None = None) -> list[Edit]:
    """What ``setup apply --yes --allow-irreversible --no-wait`` does; gives the files that changed."""
    route = next(one for one in load_deployment().routes if one.name == name)
    async with client_for(name) as client:
        outlook = await look_for(route, client)
        done = await carry_out(outlook, client, heard or Heard(), sleep=no_sleep)
        return await write_down(outlook, done, client)


ONE_OF_EACH = {
    "namespaces": 2,
    "fieldgroups": 1,
    "schemas": 1,
    "datasets": 1,
    "connections": 1,
    "sourceConnections": 1,
    "targetConnections": 1,
    "flows": 1,
}
"""What an empty sandbox holds after setup, with the default priority list of namespaces."""


def counted(emulator: Emulator, sandbox: str = "prod") -> dict[str, int]:
    """How many of each kind an emulated sandbox holds of what setup creates."""
    counts: dict[str, Any] = emulator.platform.summary()["sandboxes"][sandbox]
    return {name: counts[name] for name in ONE_OF_EACH}


async def verified(emulator: Emulator, name: str = "default", *, longest: float = 600.0) -> list[Station]:
    """The stations of ``setup verify``; while it waits the emulated batch is closed, and no time passes."""
    route = next(one for one in load_deployment().routes if one.name == name)
    now = [0.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds
        emulator.control(platform={"settle": True})

    patience = Patience(longest=longest, clock=lambda: now[0], sleep=sleep)
    probe = open_probe(route.settings, Metrics(), time.time())
    async with client_for(name) as client:
        stations = verify(
            client,
            route.settings.aep.dataset_id or "",
            probe,
            in_profile=route.settings.setup.profile,
            patience=patience,
        )
        return [station async for station in stations]


def calls(emulator: Emulator) -> list[tuple[str, str, int]]:
    """Every call to the platform APIs so far: method, path, status."""
    return [*emulator.platform.log]


def changes(emulator: Emulator) -> list[tuple[str, str, int]]:
    """Those that may have changed something."""
    return [one for one in calls(emulator) if one[0] != "GET" and "effective-policies" not in one[1]]


class Killed(BaseException):
    """The process ends here, as by kill -9: nothing after it runs."""


class LeftBehind:
    """What killed runs leave to the next one: AEP as they have changed it, and the files of the working directory."""

    def __init__(self) -> None:
        self._last: object = None
        self.times_new = 0

    def empty(self, emulator: Emulator) -> None:
        """Empty the emulated organisation before a run."""
        emulator.control(platform={"clear": True})
        emulator.platform.log.clear()

    def is_new(self, emulator: Emulator) -> bool:
        """Whether it differs from what the run before has left: runs do the same up to where they are killed, and reading leaves nothing."""
        files = {path.name: path.read_text(encoding="utf-8") for path in Path().iterdir()}
        now = (len(changes(emulator)), files)
        if new := now != self._last:
            self._last = now
            self.times_new += 1
        return new


def kill_after(monkeypatch: pytest.MonkeyPatch, count: int, *, heard: bool) -> None:
    """The answer to the ``count``-th request never reaches the program; ``heard``: it does, and then nothing more is sent."""
    real, seen = platform_client.exchange, [0]

    async def exchange(*args: Any, **options: Any) -> Any:
        if heard and seen[0] >= count:
            raise Killed
        reply = await real(*args, **options)
        seen[0] += 1
        if not heard and seen[0] >= count:
            raise Killed
        return reply

    monkeypatch.setattr(platform_client, "exchange", exchange)
