"""Mapping sets that ship are found wherever the bridge runs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bridge import shipped
from bridge.settings import MappingSettings, load_settings

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = Path("mappings/moengage_events.csv")


def test_the_source_trees_copy_is_found_from_elsewhere(tmp_path, monkeypatch):
    """A relative path that does not exist here means the file that ships."""
    monkeypatch.chdir(tmp_path)
    assert shipped.find(SHIPPED) == ROOT / SHIPPED


def test_a_file_of_the_users_own_wins(tmp_path, monkeypatch):
    """A copy in the working directory is the one that is used."""
    monkeypatch.chdir(tmp_path)
    SHIPPED.parent.mkdir()
    SHIPPED.write_text("source,destination\n")
    assert shipped.find(SHIPPED) == SHIPPED


def test_it_is_looked_for_when_the_settings_are_read(tmp_path, monkeypatch):
    """Whatever folder the process was in when it loaded the bridge."""
    monkeypatch.chdir(tmp_path)
    assert load_settings().mapping.path == ROOT / SHIPPED
    SHIPPED.parent.mkdir()
    SHIPPED.touch()
    assert load_settings().mapping.path == SHIPPED


def test_an_unknown_path_stays_as_it_was_written(tmp_path, monkeypatch):
    """Whoever opens it can then name the path the user wrote."""
    monkeypatch.chdir(tmp_path)
    assert shipped.find(Path("mine.csv")) == Path("mine.csv")


def test_settings_resolve_the_default(tmp_path, monkeypatch):
    """The default mapping of the settings needs no working directory."""
    monkeypatch.chdir(tmp_path)
    assert MappingSettings().path == ROOT / SHIPPED
    assert MappingSettings(path="mine.csv").path == Path("mine.csv")


@pytest.mark.slow
def test_the_wheel_carries_the_mappings_and_finds_them(tmp_path):
    """The installed package, away from the source tree, resolves the default to its own copy."""
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--disable-pip-version-check",
        "-w",
        str(tmp_path),
    ]
    subprocess.run([*build, "--no-build-isolation", str(ROOT)], check=True, timeout=200)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    program = "from bridge.settings import MappingSettings; print(MappingSettings().path)"
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(told.stdout.strip()) == installed / "bridge/shipped" / SHIPPED
    assert (installed / "bridge/shipped" / SHIPPED).read_bytes() == (ROOT / SHIPPED).read_bytes()
