"""aep-bridge mapping: data on stdout, words on stderr, exit 0, 1 or 2; and what is shipped for it to be tried on."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.model.errors import BridgeError

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = str(ROOT / "mappings" / "moengage_events.csv")
SCHEMA = str(ROOT / "mappings" / "moengage_events.schema.json")
SAMPLES = ROOT / "tests" / "data" / "samples"
SEED = str(SAMPLES / "seed-event.json")
EXPECTED = json.loads((SAMPLES / "seed-event.expected.json").read_text(encoding="utf-8"))


def run(*arguments: str, stdin: str | None = None) -> Any:
    """One command, in this process; the error it would print is raised."""
    result = CliRunner().invoke(app, ["mapping", *arguments], input=stdin)
    if isinstance(result.exception, BridgeError):
        raise result.exception
    return result
