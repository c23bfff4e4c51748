"""The peer in Go: built where Go is, and its mapping held against the shipped one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import orjson

from bench.records import check_mapping
from bench.stage import ROOT, WORK

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SOURCE = ROOT / "bench" / "peers" / "benthos"
MAPPING = SOURCE / "mapping.blobl"
BINARY = WORK / "benthos"
COMMAND = [str(BINARY), "-c", str(SOURCE / "pipeline.yaml")]
SETTINGS = {"MAPPING": str(MAPPING), "GOGC": "800"}
"""A large heap for little collecting: as Go has it an event costs a quarter more, with 400 some 7 % more at half the memory."""


class NotBuiltError(Exception):
    """The peer cannot be had here; the message says why."""


def build(say: Callable[[str], None]) -> None:
    """Compile the peer: minutes the first time, seconds when nothing has changed. Raises ``NotBuiltError``."""
    if (go := shutil.which("go")) is None:
        raise NotBuiltError("Go is not installed")
    say("building Benthos: some minutes the first time")
    WORK.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [go, "build", "-o", str(BINARY), "."],
        cwd=SOURCE,
        env={**os.environ, "GOWORK": "off", "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotBuiltError("it was not built: " + (done.stderr.strip().splitlines() or ["no reason given"])[-1])


def mapped(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the built peer makes of canonical events."""
    lines = b"\n".join(map(orjson.dumps, events))
    done = subprocess.run([str(BINARY), "blobl", "-f", str(MAPPING)], input=lines, capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_bloblang() -> int:
    """Raise unless the Bloblang mapping and the shipped one give the same XDM for all samples; their number."""
    return check_mapping(mapped, ordered=False)  # Go writes them sorted


def prepare(say: Callable[[str], None]) -> None:
    """All that its rung needs."""
    build(say)
    say(f"Bloblang and shipped mapping agree on {check_bloblang()} events")
