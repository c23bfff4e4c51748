"""A worker's end, with its parts as doubles and in virtual time: what is waited for, what is committed, and what the exit code says."""

import asyncio
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from bridge.kafka.consumer.ledger import Ledger
from bridge.model.errors import KafkaError
from bridge.runtime.deadline import StopBudget
from bridge.testing.virtual_loop import VirtualLoop
from bridge.worker import stopping
from bridge.worker.drain import Drain

P = ("t", 0)


class _Stage:
    """A worker's parts at its end: one partition with a finished chunk and, perhaps, an open one."""

    def __init__(
        self, *, finishes_in=0.0, budget=20.0, commit="stored", stop_takes=0.0, blocked=False, postponed=False
    ):
        self.loop = asyncio.get_running_loop()
        self.clock = self.loop.time
        self.began = self.clock()
        self.ledger = Ledger(self.clock)
        self.ledger.open(1, {P: 0})
        done, self.chunk = (
            self.ledger.register_chunk(P, 1, [SimpleNamespace(timestamp=0)], 1, first=n, last=n) for n in range(2)
        )
        self.ledger.admit(done, 0)
        self.ledger.admit(self.chunk, 1)
        if finishes_in:
            self.loop.call_later(finishes_in, self._finish)
        else:
            self._finish()
        self.blocked, self.commit, self.stop_takes = blocked, commit, stop_takes
        self.steps, self.at = [], {}
        self.shut = 0
        self.consumer = SimpleNamespace(commit=self._commit)
        flow_control = SimpleNamespace(refusal="", trouble="AEP is away" if blocked else "")
        delivery = SimpleNamespace(
            blocked=blocked,
            only_postponed=postponed,
            events=1,
            flow_control=flow_control,
            flush=lambda: self._step("flush"),
            linger=lambda: self._step("linger"),
        )
        letters = SimpleNamespace(writable=True)
        self.drain = Drain(self.ledger, delivery, letters, self.clock, StopBudget(budget), StopBudget(budget))
        self.gate = SimpleNamespace(shut=lambda: self._step("shut"))

    def _step(self, name):
        self.steps.append(name)
        self.at[name] = self.clock() - self.began

    def _finish(self):
        if not self.chunk.closed:
            self.ledger.resolve(self.chunk, 1)

    async def _commit(self):
        self._step("commit")
        if self.commit == "refused":
            return False
        if self.commit == "raises":
            raise KafkaError("away")
        if self.commit == "hangs":
            await asyncio.sleep(1e6)
        self.ledger.confirm(1, self.ledger.committable())
        return True

    async def stop(self):
        """Faust's stop."""
        self._step("stop")
        self.stopping_seen = self.drain.stopping
        await asyncio.sleep(self.stop_takes)


@pytest.fixture
def left(monkeypatch):
    """Runs :func:`leave` in virtual time; gives exit code, stage and log lines."""
    cut = []

    class Timer:
        """Would end this process."""

        def __init__(self, seconds, _cut_off):
            self._seconds = seconds

        def start(self):
            """Write down when."""
            assert self.daemon, "a process that is done need not wait for it"
            cut.append(self._seconds)

    monkeypatch.setattr("bridge.runtime.signals.threading.Timer", Timer)

    def run(why="", **state):
        async def main():
            stage = _Stage(**state)
            code = await stopping.stop_worker(stage, stage.gate, stage.drain, why)
            stage.took = stage.clock() - stage.began
            return code, stage

        loop = VirtualLoop()
        try:
            with capture_logs() as logs:
                code, stage = loop.run_until_complete(main())
        finally:
            loop.close()
        stage.cut = cut
        return code, stage, logs

    return run


def test_all_finished_and_committed_is_exit_0(left):
    """Nothing more is admitted, what is under way is finished, committed, and only then the group is left."""
    code, stage, [line] = left(finishes_in=3.0)
    assert code == 0
    assert stage.steps == ["shut", "flush", "commit", "stop"]
    assert stage.at["commit"] == pytest.approx(3.0, abs=0.1)
    assert stage.ledger.committed() == {P: 2}
    assert stage.stopping_seen
    assert (line["event"], line["log_level"]) == ("stopped", "info")
    assert stage.cut == [20.0 + 5.0 + 2.0]


@pytest.mark.parametrize("commit", ["refused", "raises", "hangs"])
def test_offsets_that_could_not_be_committed_are_exit_1(left, commit):
    """Everything is finished, but the brokers have not stored it: said, and the offset is still offered."""
    code, stage, [line] = left(commit=commit)
    assert code == 1
    assert stage.steps[-1] == "stop"
    assert stage.ledger.committable() == {P: 2}
    assert (line["event"], line["uncommitted"], line["why"]) == (
        "stopped_with_work_left",
        True,
        "the offsets could not be committed",
    )
    assert line["events_left"] == {}
    assert stage.took <= 20.0 + 5.1


def test_work_that_is_left_is_exit_1_and_what_is_finished_is_committed(left):
    """The budget ends before the last event does: its offset is not committed, the one before it is."""
    code, stage, [line] = left(finishes_in=60.0)
    assert code == 1
    assert stage.ledger.committed() == {P: 1}
    assert stage.at["commit"] == pytest.approx(18.0, abs=0.1)
    assert (line["events_left"], line["uncommitted"], line["why"]) == (
        {"t[0]": 1},
        False,
        "the drain budget is used up",
    )


def test_a_short_budget_keeps_a_quarter_for_the_commit(left):
    """Four seconds: three to finish, one to commit."""
    _, stage, _ = left(finishes_in=60.0, budget=4.0)
    assert stage.at["commit"] == pytest.approx(3.0, abs=0.1)


def test_a_commit_always_has_a_second(left):
    """A budget of nothing still stores what is finished; one that hangs is given up after that second."""
    code, stage, _ = left(finishes_in=60.0, budget=0.0)
    assert (code, stage.ledger.committed()) == (1, {P: 1})
    _, stage, _ = left(finishes_in=60.0, budget=0.0, commit="hangs")
    assert stage.at["stop"] == pytest.approx(1.0, abs=0.1)


def test_after_a_failure_nothing_is_waited_for(left):
    """An internal error commits what is finished at once and says why; exit 1 also when nothing is left."""
    code, stage, [line] = left(why="internal error: ValueError", finishes_in=10.0)
    assert code == 1
    assert "flush" not in stage.steps
    assert stage.at["commit"] == 0.0
    assert line["why"] == "internal error: ValueError"
    assert stage.stopping_seen, "leaving the group revokes its partitions, and must not wait for them"
    code, stage, [line] = left(why="stalled", finishes_in=0.0)
    assert (code, line["events_left"], line["uncommitted"]) == (1, {}, False)


def test_what_is_only_postponed_is_not_waited_for(left):
    """The next worker meets the same event: three seconds, and the reason is said."""
    code, stage, [line] = left(finishes_in=60.0, postponed=True)
    assert code == 1
    assert stage.at["commit"] == pytest.approx(3.0, abs=0.1)
    assert line["why"] == "the destination postpones the rest"


def test_a_destination_that_is_away_is_waited_for_three_seconds_and_named(left):
    """It will not be back within the budget; the reason is its own."""
    code, stage, [line] = left(finishes_in=60.0, blocked=True)
    assert code == 1
    assert stage.at["commit"] == pytest.approx(3.0, abs=0.1)
    assert line["why"] == "AEP is away"


def test_closing_that_hangs_is_cut_off(left):
    """Connections that do not close within five seconds do not keep the process."""
    code, stage, _ = left(stop_takes=1e6)
    assert code == 0
    assert stage.took == pytest.approx(5.0, abs=0.2)
