"""Every lane runs, any failing fails the whole, and one line counts all."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from lanes import processors, pytest_collection_modifyitems, rounds_of, waiting_at_once
from preparing import environments

LANES = Path(__file__).with_name("lanes.py")
SETTINGS = (
    "[pytest]\nmarkers =\n    serial: alone\n    slow: waits\n    kafka: waits\naddopts = -q -p no:cacheprovider\n"
)


def _lanes(folder, files, *arguments):
    """Exit code and lines of a run over test files of this content."""
    (folder / "pytest.ini").write_text(SETTINGS)
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text("import os, pytest\n" + text)
    # This test may itself run in a worker of pytest-xdist.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    done = subprocess.run(
        [sys.executable, str(LANES), "-n", "2", *arguments],
        cwd=folder, env=clean, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.splitlines()


PARALLEL = "def test_apart():\n    assert 'PYTEST_XDIST_WORKER' in os.environ\n    assert os.environ['TEST_LANE'] == 'computing'\n"
WAITING = "@pytest.mark.slow\ndef test_waits():\n    assert os.environ['TEST_LANE'] == 'waiting'\n"
SERIAL = "@pytest.mark.serial\ndef test_alone():\n    assert 'PYTEST_XDIST_WORKER' not in os.environ\n"
SKIPPED = "@pytest.mark.skip\ndef test_left_out():\n    pass\n"
FAILING = "def test_fails():\n    assert False\n"
BROKEN = "@pytest.fixture\ndef broken():\n    raise OSError\ndef test_breaks(broken):\n    pass\n"


@pytest.mark.parametrize(
    ("files", "code", "told"),
    [
        ({"a": PARALLEL + WAITING, "b": SERIAL + SKIPPED}, 0, "3 passed, 0 failed, 1 skipped in "),
        ({"a": PARALLEL + WAITING.replace("waiting", "none")}, 1, "1 passed, 1 failed, 0 skipped in "),
        ({"a": PARALLEL + BROKEN + FAILING, "b": SERIAL}, 1, "2 passed, 1 failed, 0 skipped, 1 errors in "),
        ({"a": PARALLEL, "b": "@pytest.mark.serial\n" + FAILING}, 1, "1 passed, 1 failed, 0 skipped in "),
        ({"a": "nonsense"}, 1, "0 passed, 0 failed, 0 skipped, 1 errors in "),
    ],
    ids=["all pass", "the waiting one fails", "the parallel one fails", "the serial one fails", "not collected"],
)
def test_one_line_counts_every_lane(tmp_path, files, code, told):
    """Each test in its lane, each outcome once, and the exit code of the lane that failed."""
    found, lines = _lanes(tmp_path, files)
    assert (found, lines[-1][: len(told)]) == (code, told), lines
    assert [line for line in lines if " passed" in line] == lines[-1:]


def test_arguments_reach_every_lane(tmp_path):
    """What ``-k`` and ``-m`` leave out runs in none, and a lane without tests is no failure; none at all is."""
    code, lines = _lanes(tmp_path, {"a": PARALLEL + FAILING, "b": SERIAL}, "-k", "apart or alone", "-m", "serial")
    assert (code, lines[-1].startswith("1 passed, 0 failed")) == (0, True)
    assert _lanes(tmp_path, {}, "-k", "nothing")[0] == 5


def test_the_first_failure_ends_all_where_asked(tmp_path):
    """With ``-x`` the serial lane does not begin."""
    _, lines = _lanes(tmp_path, {"a": FAILING, "b": SERIAL}, "-x")
    assert lines[-1].startswith("0 passed, 1 failed")


class Item:
    """A test as pytest has collected it."""

    def __init__(self, path, *marks):
        self.path, self._marks = Path(path), {mark.name: mark.mark for mark in marks}

    def get_closest_marker(self, name):
        """As pytest's own."""
        return self._marks.get(name)


def _of_lane(lane, items, monkeypatch):
    """What of it the lane runs, in order, and what it leaves to others."""
    told = {}
    monkeypatch.setenv("TEST_LANE", lane)
    hook = SimpleNamespace(pytest_deselected=told.update)
    pytest_collection_modifyitems(SimpleNamespace(hook=hook), kept := [*items])
    return kept, told["items"]


SLOW = pytest.mark.slow


def test_the_longest_begin_first(monkeypatch):
    """By the seconds of the marker, then what needs a Kafka, then the rest of the folders that wait."""
    quick, kafka = Item("tests/chaos/test_a.py"), Item("tests/kafka/test_b.py", pytest.mark.kafka)
    slow, minutes = Item("tests/cli/test_c.py", SLOW), Item("tests/system/test_d.py", SLOW(190), pytest.mark.kafka)
    computing = Item("tests/cli/test_e.py")
    found = _of_lane("waiting", [quick, kafka, computing, slow, minutes], monkeypatch)
    assert found == ([minutes, slow, kafka, quick], [computing])


def test_slow_but_never_waiting(monkeypatch):
    """What plays on virtual time computes, however long it takes, and begins before the rest."""
    simulated, quick = Item("tests/simulation/test_a.py", SLOW), Item("tests/cli/test_b.py")
    assert _of_lane("computing", [quick, simulated], monkeypatch) == ([simulated, quick], [])
    assert _of_lane("waiting", [quick, simulated], monkeypatch) == ([], [quick, simulated])


def test_what_is_made_beforehand():
    """Every file of pins has an environment of its name, as the tests that need it call it."""
    assert {folder.name for folder in environments()} == {"aepp", "moto", "mparticle"}


@pytest.mark.parametrize("arguments", [["-n", "0"], ["-s"], ["--pdb"], ["--collect-only", "-q"]])
def test_one_process_where_the_arguments_want_it(arguments):
    """A debugger has one process to look into."""
    ((lane,),) = rounds_of([*arguments, "tests/cli"])
    assert "tests/cli" in lane.arguments
    assert "--dist" not in lane.arguments


def test_each_lane_has_the_machine_for_itself():
    """First what computes, a process for each processor, then what waits, three for two, and what measures alone."""
    (computing,), (waiting,), (serial,) = rounds_of([])
    assert (computing.name, computing.arguments[:2]) == ("computing", ["-n", str(min(8, processors()))])
    assert (waiting.name, waiting.arguments[:2]) == ("waiting", ["-n", str(waiting_at_once())])
    assert (serial.name, serial.arguments) == ("serial", ["-m", "serial"])


@pytest.mark.parametrize(("there", "wait"), [(1, 2), (2, 3), (4, 6), (16, 8)])
def test_how_many_wait_at_once(monkeypatch, there, wait):
    """Three for two processors, two where there is but one, and no more than have ports of their own."""
    monkeypatch.setattr("lanes.processors", lambda: there)
    assert waiting_at_once() == wait
