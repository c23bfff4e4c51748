"""aep-bridge mapping functions: which functions are there, and how are they listed?"""

import pytest
from json_output import json_of
from mapping_commands import run
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.model.errors import BridgeError


def test_functions_lists_and_explains():
    """Every function of the registry, and one by name or alias."""
    every = json_of(run("functions", "--json"))
    assert {"upper", "dformat", "decode"} <= {one["name"] for one in every}
    assert run("functions", "ucase").stdout.startswith("upper(INPUT)")
    with pytest.raises(BridgeError, match="no function uper"):
        run("functions", "uper")


def test_piped_lists_are_plain_and_columns_are_heeded():
    """No table is drawn; with COLUMNS no line is longer."""
    narrow = CliRunner().invoke(app, ["mapping", "functions"], env={"COLUMNS": "60"}).stdout.splitlines()
    assert max(map(len, narrow)) <= 60
    assert any(line.startswith("  dformat(") for line in narrow)
    assert "example: upper(tier)   over" in run("functions", "upper").stdout
    assert "yyyy-MM-dd HH:mm:ssZ" in run("functions", "date").stdout
