"""docs/warehouse-to-moengage.md: its files are written, its commands run in order against a real Kafka, and print what it shows."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import subprocess
from pathlib import Path

import pytest
from sync_route import SyncRoute

from bridge.settings import WarehouseSettings
from bridge.sources.warehouse.comparison import RowFinding
from bridge.sources.warehouse.rows import RULES

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "warehouse-to-moengage.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", GUIDE, flags=re.DOTALL))
WRITTEN = dict(re.findall(r"<!-- file that was written: (\S+) -->\n```\w+\n(.*?)```", GUIDE, flags=re.DOTALL))
COMMANDS = [
    part.partition("\n")
    for block in re.findall(r"```console\n(.*?)```", GUIDE, flags=re.DOTALL)
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
]


@pytest.mark.kafka
def test_the_guide_shows_what_happens(kafka, topic, tmp_path):
    """Each command in the order of the guide, with its output and its exit; the set that is written is the one shown."""
    assert len(COMMANDS) == 6
    with sqlite3.connect(tmp_path / "shop.db") as base:
        base.executescript(FILES["shop.sql"])
    base.close()
    with SyncRoute(kafka, topic, tmp_path, warehouse={}, mapping=None, moengage={"users_per_minute": 10_000}) as route:
        # The guide's file, with what only this test knows: where Kafka and the emulated workspace are.
        route.write_guide(FILES["bridge.toml"])
        worker = False
        for line, _, output in COMMANDS:
            ended = re.search(r"^exit (\d)\n?\Z", output, re.MULTILINE)
            shown, code = (output[: ended.start()], int(ended.group(1))) if ended else (output, 0)
            if "sync run" in line and not worker:
                worker = bool(route.worker())
            done = route.command(shlex.split(line)[1:])
            assert done.returncode == code, f"{line}\n{done.stdout}{done.stderr}"
            for wanted, printed in zip(shown.splitlines(), done.stdout.splitlines(), strict=True):
                assert printed.startswith(wanted[:-1]) if wanted.endswith("…") else printed == wanted
            for name, content in WRITTEN.items():
                assert (tmp_path / name).read_text() == content
        assert set(route.users()) == {"C-100", "C-101"}
        user = route.received("?customer=C-100")["attributes"]
        assert user["last_order"] == "2026-10-30T18:20:05Z"


def test_the_guide_names_every_key_and_rule():
    """Keys of the section, rules, modes: each stands in its table."""
    for name in WarehouseSettings.model_fields:
        assert f"`{name}`" in GUIDE, name
    for rule in (*RULES, RowFinding.DUPLICATE, "record_too_large"):
        assert f"| `{rule}` |" in GUIDE


@pytest.mark.parametrize(
    ("results", "code", "words"),
    [
        ([{"unique_id": "model.users", "status": "success"}, {"unique_id": "test.a", "status": "pass"}], 0, "synced"),
        ([{"unique_id": "model.users", "status": "error"}], 1, "model.users"),
        ([{"unique_id": "test.a", "status": "fail"}], 1, "test.a"),
        ([], 1, "nothing was run"),
    ],
)
def test_after_dbt(results, code, words, tmp_path):
    """The script sends only where dbt built everything it was asked for."""
    (tmp_path / "after-dbt.sh").write_text(FILES["after-dbt.sh"])
    (tmp_path / "aep-bridge").write_text("#!/bin/sh\necho synced $*\n")
    (tmp_path / "aep-bridge").chmod(0o755)
    (tmp_path / "results.json").write_text(json.dumps({"metadata": {}, "results": results}))
    done = subprocess.run(
        ["sh", "after-dbt.sh", "results.json"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert words in done.stdout + done.stderr
