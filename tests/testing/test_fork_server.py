"""Commands from a fork server are what they would be from an interpreter of their own, and end with whoever asked for them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from checkout import ROOT

from bridge.testing.forking import forked
from bridge.testing.forking.forked import FORK, ForkServer, ForkServerGoneError, start_forked
from bridge.testing.processes import end, eventually, start_writing, stop_running

pytestmark = [
    pytest.mark.clock,
    pytest.mark.skipif(sys.platform != "linux", reason="only on Linux, which has descriptors of processes"),
]
SUPPORT = ROOT / "tests" / "support"


@contextlib.contextmanager
def _server(package="json"):
    server = ForkServer(os.environ, "process_seen", package)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def server():
    """One that has imported the bridge, as in a run of the tests."""
    with _server("bridge") as running:
        yield running


class Output:
    """The files that a process writes to, and how it is given what it is."""

    def __init__(self, folder, **environment):
        self.folder = folder
        self.out, self.words = (folder / "out").open("w+b"), (folder / "words").open("w+b")
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        self.environment = {**inherited, "PYTHONPATH": f"{ROOT}:{SUPPORT}", "BRIDGE_A_SETTING": "x", **environment}

    def forked(self, server, *arguments):
        """A child of the server."""
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device
            streams = (nothing.fileno(), self.out.fileno(), self.words.fileno())
            return server.start(arguments, env=self.environment, cwd=self.folder, streams=streams)

    def started(self, *arguments):
        """A process that the interpreter was started for."""
        command = [sys.executable, "-m", "process_seen", *arguments]
        return start_writing(command, self.out, self.words, env=self.environment, cwd=self.folder)

    def read(self):
        """What was written to each."""
        said = []
        for file in (self.out, self.words):
            file.seek(0)
            said.append(file.read().decode())
        return said

    def close(self):
        """Close the files."""
        self.out.close()
        self.words.close()


@pytest.fixture
def outputs(tmp_path):
    """Makes outputs in folders of their own."""
    with contextlib.ExitStack() as stack:

        def make(**environment):
            output = Output(Path(tempfile.mkdtemp(dir=tmp_path)), **environment)
            stack.callback(output.close)
            return output

        yield make


@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
def test_a_child_sees_what_a_process_sees(server, outputs, unbuffered):
    """Arguments, environment, folder, session, signals, streams, descriptors, limits: all as from an interpreter of its own."""
    output = outputs(A_VARIABLE="\udcff", **unbuffered)
    assert output.forked(server, "--name", "a value", "").wait(30) == 0
    forked_sees = json.loads(output.read()[0])
    output.out.truncate(0)
    output.out.seek(0)
    assert output.started("--name", "a value", "").wait(30) == 0
    process_sees = json.loads(output.read()[0])
    assert forked_sees == process_sees
    assert forked_sees["argv"] == [str(SUPPORT / "process_seen.py"), "--name", "a value", ""]
    assert forked_sees["environment"]["BRIDGE_A_SETTING"] == "x"
    assert forked_sees["descriptors"] == [0, 1, 2]
    assert (forked_sees["folder"], forked_sees["dies with"]) == (str(output.folder), signal.SIGKILL)


@pytest.mark.parametrize("deed", ["", "exit", "raise", "interrupt"])
def test_it_ends_as_a_process_ends(server, outputs, deed):
    """The same exit code, the same last words, and what was to be done at exit is done."""
    one, other = outputs(), outputs()
    code = one.forked(server, deed).wait(30)
    assert code == other.started(deed).wait(30) == {"": 0, "exit": 3, "raise": 1, "interrupt": -signal.SIGINT}[deed]
    assert one.read()[1].splitlines()[-2:] == other.read()[1].splitlines()[-2:]
    assert one.read()[1].endswith("the end\n")


def test_two_children_draw_different_numbers(server, outputs):
    """Neither Python's generators nor OpenSSL's repeat in the second what they gave the first."""
    drawn = []
    for output in (outputs(), outputs()):
        assert output.forked(server, "draw").wait(30) == 0
        drawn.append(output.read()[0].split())
    assert len(drawn[0]) == 4
    assert not set(drawn[0]) & set(drawn[1])


def _waiting(output, server):
    child = output.forked(server, "wait")
    eventually(lambda: output.read()[0], within=30, what="it runs")
    return child


def test_signals_and_waiting(server, outputs):
    """It can be stopped, continued and killed; a wait ends in time; its code is the signal's."""
    child = _waiting(outputs(), server)
    assert child.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.01)
    stop_running(child)
    states = [
        (each / "stat").read_text().rpartition(")")[2].split()[0] for each in Path(f"/proc/{child.pid}/task").iterdir()
    ]
    assert states == ["T", "T"]
    child.send_signal(signal.SIGCONT)
    child.terminate()
    assert child.wait(10) == child.poll() == child.returncode == -signal.SIGTERM
    child.kill()  # reaches nobody
    second = _waiting(outputs(), server)
    waits = [threading.Thread(target=second.wait, args=[30]) for _ in range(3)]
    for each in waits:
        each.start()
    assert end(second) == -signal.SIGKILL
    for each in waits:
        each.join(10)
        assert not each.is_alive()


def test_a_killed_server_takes_its_children_along(outputs):
    """None outlives it, each is told as killed, and who asks for another is told why there is none."""
    with _server() as server:
        children = [_waiting(outputs(), server) for _ in range(2)]
        server.process.kill()
        for child in children:
            assert child.wait(10) == -signal.SIGKILL
            assert (
                not Path(f"/proc/{child.pid}/cmdline").exists() or not Path(f"/proc/{child.pid}/cmdline").read_bytes()
            )
        with pytest.raises(ForkServerGoneError):
            outputs().forked(server)


def test_what_the_server_cannot_do_is_told(outputs):
    """The reason is what it has written before it ended."""
    server = ForkServer({**os.environ, "PYTHONIOENCODING": "no-such-encoding"}, "process_seen", "json")
    with pytest.raises(ForkServerGoneError, match="no-such-encoding"):
        outputs().forked(server)
    server.close()


_ASKS = """
import os, sys, time
from pathlib import Path
from bridge.testing.forking.forked import ForkServer
server = ForkServer(os.environ, "process_seen", "json")
with open("out", "wb") as out, open(os.devnull, "rb") as nothing:
    streams = nothing.fileno(), out.fileno(), out.fileno()
    child = server.start(["wait"], env=os.environ, cwd=Path.cwd(), streams=streams)
print(server.process.pid, child.pid, flush=True)
time.sleep(600)
"""


def test_nothing_outlives_who_asked(tmp_path):
    """Killed with -9, a test run leaves neither server nor child."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{SUPPORT}"}
    with subprocess.Popen(
        [sys.executable, "-c", _ASKS], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    ) as asking:
        pids = [int(each) for each in asking.stdout.readline().split()]
        eventually((tmp_path / "out").read_bytes, within=30, what="the child runs")
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
        asking.kill()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), within=10, what="both are gone")


class TestWhatIsForked:
    """Which commands are children of a server, and which have an interpreter of their own."""

    @pytest.fixture(autouse=True)
    def _servers(self, monkeypatch):
        self.asked = []

        class Server:
            def __init__(self, environment):
                self.environment = environment

            def start(_, arguments, **_given):  # noqa: N805 - of the test
                self.asked.append(arguments)
                return "a child"

            def close(self):
                pass

        monkeypatch.setattr(forked, "ForkServer", Server)
        monkeypatch.setattr(forked, "_servers", {})
        monkeypatch.setattr(forked, "_asked", forked.Counter())
        monkeypatch.setenv(FORK, "1")

    def _second(self, tmp_path, command=("-m", "bridge", "worker"), **environment):
        given = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        for _ in range(2):
            child = start_forked([sys.executable, *command], env=given, cwd=tmp_path, streams=(0, 1, 2))
        return child

    def test_the_second_of_equals(self, tmp_path):
        """Once another of the same kind is asked for, with whatever settings."""
        given = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "bridge", "check"]
        assert start_forked(command, env=given, cwd=tmp_path, streams=(0, 1, 2)) is None
        other = {**given, "BRIDGE_AEP__CONCURRENCY": "4", "PYTHONUNBUFFERED": "1"}
        assert start_forked([*command, "--json"], env=other, cwd=tmp_path, streams=(0, 1, 2)) == "a child"
        assert self.asked == [["check", "--json"]]

    def test_not_unless_asked_for(self, monkeypatch, tmp_path):
        """Demo, benchmarks and whoever uses the harness start interpreters, and so do the tests with TESTING_FORK=0."""
        for value in ("0", ""):
            monkeypatch.setenv(FORK, value)
            assert self._second(tmp_path) is None
        monkeypatch.delenv(FORK)
        assert self._second(tmp_path) is None

    @pytest.mark.parametrize(
        "name", ["LD_PRELOAD", "PYTHONHASHSEED", "PYTHONWARNINGS", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES", "FAKETIME"]
    )
    def test_not_what_is_read_before_anything_runs(self, tmp_path, name):
        """What the loader or the interpreter reads for it and not for us."""
        assert self._second(tmp_path, **{name: "1"}) is None

    def test_what_libraries_read_has_a_server_of_its_own(self, tmp_path):
        """A library may have read it when it was imported."""
        assert self._second(tmp_path) == "a child"
        assert self._second(tmp_path, SSL_CERT_FILE="another") == "a child"
        assert [server.environment.get("SSL_CERT_FILE") for server in forked._servers.values()] == [
            os.environ["SSL_CERT_FILE"],
            "another",
        ]
        assert self._second(tmp_path, SSL_CERT_FILE="a third") is None

    def test_not_another_tree(self, tmp_path):
        """A package ``bridge`` that is not ours."""
        assert self._second(tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}") is None
        (tmp_path / "bridge").mkdir()
        assert self._second(tmp_path) is None

    def test_not_another_program(self, tmp_path):
        """Only the bridge, by this interpreter, without options of its own."""
        for command in (["-m", "pytest"], ["-X", "dev", "-m", "bridge"], ["-c", "0"]):
            assert self._second(tmp_path, command) is None
