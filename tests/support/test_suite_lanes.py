"""Every lane runs, any failing fails the whole, and one line counts all."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from lane_membership import give_time, pytest_collection_modifyitems
from lanes import exit_code, lanes_of, processors, waiting_at_once, yield_to_others
from preparing import environments

from bridge.testing.processes import eventually

pytestmark = pytest.mark.clock

LANES = Path(__file__).with_name("lanes.py")
SETTINGS = """[pytest]
markers =
    serial: alone
    slow: waits
    kafka: waits
    clock: waits
addopts = -q -p no:cacheprovider -p xdist
"""
BEGINNING = """
import os, pathlib, pytest, socket, sys, time

def meets(name, *others):
    pathlib.Path(name).touch()
    until = time.monotonic() + 60
    while not all(pathlib.Path(other).exists() for other in others):
        assert time.monotonic() < until, f"{name} meets none of {others}"
        time.sleep(0.05)

def hangs(name):
    pathlib.Path(name).write_text(str(os.getpid()))
    time.sleep(100)
"""


def _started(folder, files, *arguments):
    """Lanes over test files of this content, with one process each and no plugin but the one they need."""
    (folder / "pytest.ini").write_text(SETTINGS)
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(BEGINNING + text)
    # This test may itself run in a worker of pytest-xdist.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_XDIST", "TESTING_PORT"))}
    return subprocess.Popen(
        [sys.executable, str(LANES), "-n", "1", *arguments], cwd=folder, stdout=subprocess.PIPE, text=True,
        env=clean | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TEST_LANE_NICE": "0"},
    )  # fmt: skip


def _ended(process):
    """Exit code and lines."""
    with process:
        said, _ = process.communicate(timeout=120)
    return process.returncode, said.splitlines()


COMPUTING = """
def test_computes():
    assert 'PYTEST_XDIST_WORKER' in os.environ and os.environ['TEST_LANE'] == 'computing'
    assert os.environ['TESTING_PORT_RANGE'] == '8'
    meets('computing', 'waiting')
    meets('still computing', 'serial')
"""
WAITING = """
@pytest.mark.slow
def test_waits():
    assert os.environ['TEST_LANE'] == 'waiting' and 'TESTING_PORT_RANGE' not in os.environ
    meets('waiting', 'computing')
    assert not pathlib.Path('serial').exists()
@pytest.mark.clock
def test_is_quick():
    assert os.environ['TEST_LANE'] == 'waiting'
"""
SERIAL = """
@pytest.mark.serial
def test_alone():
    assert 'PYTEST_XDIST_WORKER' not in os.environ
    meets('serial', 'computing')
"""
SKIPPED = "@pytest.mark.skip\ndef test_left_out():\n    pass\n"


def test_one_line_counts_every_lane(tmp_path):
    """What waits and what computes run side by side, what measures after the one and beside the other; each test counts once."""
    code, lines = _ended(_started(tmp_path, {"a": COMPUTING + WAITING, "b": SERIAL + SKIPPED}))
    assert (code, lines[-1].startswith("4 passed, 0 failed, 1 skipped in ")) == (0, True), lines
    assert [line for line in lines if " passed" in line] == lines[-1:]
    assert [line.split(":")[0] for line in lines[-4:-1]] == ["computing", "waiting", "serial"]


FAILING = """
@pytest.fixture
def broken():
    raise OSError
def test_breaks(broken):
    pass
def test_computes():
    assert False
def test_speaks():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
@pytest.mark.slow
def test_waits():
    assert False
@pytest.mark.clock
def test_speaks_in_time():
    test_speaks()
@pytest.mark.serial
def test_alone():
    assert False
"""


def test_every_failure_counts(tmp_path):
    """In each lane, in a fixture, and of what computes but waits for an answer."""
    code, lines = _ended(_started(tmp_path, {"a": FAILING}))
    assert (code, lines[-1].startswith("1 passed, 4 failed, 0 skipped, 1 errors in ")) == (1, True), lines
    assert any("test_speaks opens connections (socket.bind)" in line for line in lines)


def test_a_file_that_cannot_be_read_is_one_error(tmp_path):
    """Though each lane says so."""
    code, lines = _ended(_started(tmp_path, {"a": "mark.slow mark.serial"}))
    assert (code, lines[-1].startswith("0 passed, 0 failed, 0 skipped, 1 errors in ")) == (1, True), lines


READ = """
def note(what):
    with open(f"{what}-{os.environ['TEST_LANE']}-{os.environ.get('PYTEST_XDIST_WORKER')}", "a") as noted:
        noted.write(pathlib.Path(__file__).stem.removeprefix("test_"))
note("read")
@pytest.mark.clock
@pytest.mark.parametrize("number", range(3))
def test_waits(number):
    note("ran")
"""


def test_processes_begin_to_read_at_different_files(tmp_path):
    """Each reads all, one from the first on and one from the middle; they run them in the same order, each once."""
    code, lines = _ended(_started(tmp_path, dict.fromkeys("abcd", READ), "-n", "2", "-m", "clock"))
    assert (code, lines[-1].startswith("12 passed, 0 failed, 0 skipped in ")) == (0, True), lines
    assert [(tmp_path / f"read-waiting-gw{worker}").read_text() for worker in range(2)] == ["abcd", "cdab"]
    ran = [path.read_text() for path in tmp_path.glob("ran-*")]
    assert [list(each) for each in ran] == [sorted(each) for each in ran]
    assert sorted("".join(ran)) == sorted("abcd" * 3)


HANGING = """
@pytest.mark.slow
def test_hangs():
    hangs('waiting')
def test_computes():
    meets('computing', 'waiting')
    FAILS
    hangs('hanging')
@pytest.mark.serial
def test_alone():
    meets('serial')
"""


def test_the_first_failure_ends_all_where_asked(tmp_path):
    """With ``-x`` in whichever lane it is: the others are ended, the serial one does not begin, and the code is that of pytest-xdist."""
    code, lines = _ended(_started(tmp_path, {"a": HANGING.replace("FAILS", "assert False")}, "-x"))
    assert (code, lines[-1].startswith("0 passed, 1 failed")) == (2, True), lines
    assert not (tmp_path / "serial").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_all(tmp_path, number):
    """Ctrl-C ends every lane and its processes; what was counted is told, and the code is pytest's."""
    process = _started(tmp_path, {"a": HANGING.replace("FAILS", "pass")})
    begun = [tmp_path / name for name in ("waiting", "hanging")]
    eventually(lambda: all(each.exists() and each.read_text() for each in begun), within=60, what="both lanes hang")
    process.send_signal(number)
    code, lines = _ended(process)
    assert (code, lines[-1].startswith("0 passed, 0 failed, 0 skipped in ")) == (2, True), lines
    for each in begun:
        assert not Path(f"/proc/{each.read_text()}").exists()
    assert not (tmp_path / "serial").exists()


@pytest.mark.parametrize(
    ("codes", "told_to_end", "code"),
    [
        ([0, 0, 0], [], 0),
        ([0, 5, 5], [], 0),
        ([5, 5, 5], [], 5),
        ([0, 1, 0], [], 1),
        ([0, 5, 1], [], 1),
        ([3, 1, 0], [], 3),
        ([2, 1], [0], 1),
        ([0, 2], [1], 2),
        ([-9, 0], [0], 2),
        ([-9, 0, 0], [], -9),
    ],
)
def test_exit_codes(codes, told_to_end, code):
    """That of the first lane that failed by itself; no tests are no failure where another lane has some."""
    runs = [
        SimpleNamespace(code=each, told_to_end=place in told_to_end, failed=each not in {0, 5} and place not in told_to_end)
        for place, each in enumerate(codes)
    ]  # fmt: skip
    assert exit_code(runs) == code


class Item:
    """A test as pytest has collected it."""

    def __init__(self, path, *marks, function=None):
        self.path, self._marks, self.function = Path(path), {mark.name: mark.mark for mark in marks}, function

    def get_closest_marker(self, name):
        """As pytest's own."""
        return self._marks.get(name)

    def add_marker(self, mark):
        """As pytest's own."""
        self._marks[mark.name] = mark.mark


def _of_lane(lane, items, monkeypatch):
    """What of it the lane runs, in order, and what it leaves to others."""
    told = {}
    monkeypatch.setenv("TEST_LANE", lane)
    hook = SimpleNamespace(pytest_deselected=told.update)
    plugins = SimpleNamespace(hasplugin=lambda _name: False)
    pytest_collection_modifyitems(SimpleNamespace(hook=hook, pluginmanager=plugins), kept := [*items])
    return kept, told["items"]


SLOW = pytest.mark.slow


async def _coroutine():
    """Lives on the machine's clock."""


def test_the_longest_begin_first(monkeypatch):
    """By the seconds of the marker, of equals last what is prepared meanwhile, then what needs a Kafka or lies where processes are started."""
    process, kafka = Item("tests/chaos/test_a.py"), Item("tests/kafka/test_b.py", pytest.mark.kafka)
    slow, minutes = Item("tests/cli/test_c.py", SLOW), Item("tests/system/test_d.py", SLOW(190), pytest.mark.kafka)
    computing = Item("tests/cli/test_e.py")
    clocks = [Item("tests/cli/test_f.py", pytest.mark.clock), Item("tests/cli/test_g.py", function=_coroutine)]
    prepared = Item("tests/cli/test_b.py", SLOW, pytest.mark.prepared)
    found = _of_lane("waiting", [process, kafka, *clocks, computing, prepared, slow, minutes], monkeypatch)
    assert found == ([minutes, slow, prepared, process, kafka, *clocks], [computing])


def test_slow_but_never_waiting(monkeypatch):
    """What plays on virtual time computes, however long it takes, and begins before the rest."""
    simulated, quick = Item("tests/simulation/test_a.py", SLOW), Item("tests/cli/test_b.py")
    assert _of_lane("computing", [quick, simulated], monkeypatch) == ([simulated, quick], [])
    assert _of_lane("waiting", [quick, simulated], monkeypatch) == ([], [quick, simulated])


@pytest.mark.parametrize(
    ("marks", "seconds"),
    [
        ((SLOW(100),), 1_000),
        ((SLOW(20),), None),
        ((pytest.mark.kafka,), None),
        ((SLOW(100), pytest.mark.timeout(400)), 400),
    ],
    ids=["long", "short enough", "says nothing", "has its own"],
)
def test_what_takes_long_hangs_later(marks, seconds):
    """Ten times what a test says it takes, unless that is less than the usual bound or the test has one."""
    give_time(item := Item("tests/system/test_a.py", *marks), 300)
    bound = item.get_closest_marker("timeout")
    assert (bound and bound.args[0]) == seconds


def test_what_is_made_beforehand():
    """Every file of pins has an environment of its name, as the tests that need it call it."""
    assert {folder.name for folder in environments()} == {"aepp", "moto", "mparticle"}


@pytest.mark.parametrize("arguments", [["-n", "0"], ["-s"], ["--pdb"], ["--collect-only", "-q"]])
def test_one_process_where_the_arguments_want_it(arguments):
    """A debugger has one process to look into."""
    (lane,), beside = lanes_of([*arguments, "tests/cli"])
    assert "tests/cli" in lane.arguments
    assert "--dist" not in lane.arguments
    assert not beside


def test_which_lanes_there_are():
    """First what waits, two for each processor, then what measures; what computes beside both, a process for each processor."""
    (waiting, serial), (computing,) = lanes_of([])
    assert (computing.name, computing.arguments[:2]) == ("computing", ["-n", str(min(8, processors()))])
    assert (waiting.name, waiting.arguments[:2]) == ("waiting", ["-n", str(waiting_at_once())])
    assert (serial.name, serial.arguments) == ("serial", ["-m", "serial"])


def test_what_computes_yields_to_what_waits():
    """By its own priority and, where the kernel knows such, by that of its session."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as child:
        yield_to_others(child.pid, 10)
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == 10
        group = Path(f"/proc/{child.pid}/autogroup")
        if group.exists() and (told := group.read_text()):
            assert told.endswith(" nice 10\n")
        child.communicate(b"\n")


def test_arguments_reach_every_lane():
    """What ``-k`` and ``-m`` leave out runs in none."""
    lanes, beside = lanes_of(["-k", "ledger", "-m", "kafka", "-n", "6", "tests/kafka"])
    for lane in (*lanes, *beside):
        assert lane.arguments[-3:] == ["-k", "ledger", "tests/kafka"]
        marks = lane.arguments[lane.arguments.index("-m") + 1]
        assert marks == ("(kafka) and serial" if lane.name == "serial" else "(kafka) and not serial")
    assert lanes[0].arguments[:2] == ["-n", "6"]


@pytest.mark.parametrize(("there", "wait"), [(1, 2), (2, 4), (4, 8), (16, 8)])
def test_how_many_wait_at_once(monkeypatch, there, wait):
    """Two for each processor, and no more than have ports of their own."""
    monkeypatch.setattr("lanes.processors", lambda: there)
    assert waiting_at_once() == wait
