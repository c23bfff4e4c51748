"""What the look once a second does for a worker: begins, shows, ends it, each for its reason; in virtual time."""

from __future__ import annotations

import asyncio
import re
import types
from dataclasses import replace
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from bridge.testing.virtual_loop import VirtualLoop
from bridge.worker.supervision import supervise
from bridge.worker.watch.watchdog import Vitals, stacks

FINE = Vitals(
    lag=False, resolved=0, committed=(), committable=False, joined=True, connected=True, held=False,
    answers=0, silent=0.0, lost="",
)  # fmt: skip
STUCK = replace(FINE, lag=True)


class _Worker:
    """Notes what is done to it, with the second; told to stop it is stopping."""

    def __init__(self, vitals=FINE, *, joined=True, stopping=False):
        self.state, self.joined, self.stopping = vitals, joined, stopping
        self.did = []
        self.shown = 0
        self.health = SimpleNamespace(fail=lambda name, why: self._did("failed", name, why))

    def _did(self, *what):
        self.did.append((round(asyncio.get_running_loop().time() - 1_000), *what))

    def settled(self):
        """A member for the first time."""
        self._did("settled")

    def show(self, lag):
        """Shown once more."""
        assert isinstance(lag, _Lag)
        self.shown += 1

    def vitals(self, lag):
        """As the test has set them."""
        assert isinstance(lag, _Lag)
        return self.state

    def stop(self, why):
        """Begins to end."""
        self._did("stop", why)
        self.stopping = True

    def broke(self, error):
        """Begins to end over an error."""
        self._did("broke", type(error).__name__, str(error))
        self.stopping = True


class _Lag:
    """A meter that runs, ends or fails after so many seconds."""

    def __init__(self, seconds=1e9, error=None):
        self._seconds, self._error = seconds, error
        self.cancelled = False

    async def run(self):
        """Measure."""
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)
            self.cancelled = True
            raise
        if self._error is not None:
            raise self._error


def _supervised(worker, seconds, *, lag=None, app=None, stall=10.0, change=None):
    """The worker after so many seconds of supervision, which is cancelled then; what the log took, and the meter."""
    lag = lag or _Lag()
    app = app or SimpleNamespace(crashed=False, crash_reason=None)

    async def main():
        task = asyncio.create_task(supervise(worker, app, lag, stall))
        await asyncio.sleep(seconds / 2)
        if change is not None:
            change(worker, app)
        await asyncio.sleep(seconds / 2)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), "not ended by an error of the meter's"
        assert asyncio.all_tasks() == {asyncio.current_task()}, "nothing of it is left"

    loop = VirtualLoop()
    try:
        with capture_logs() as logs:
            loop.run_until_complete(main())
    finally:
        loop.close()
    return logs, lag


def test_a_worker_that_is_well_is_shown_every_second_and_left_alone():
    """A member from the beginning: told once; the meter ends with the supervision."""
    worker = _Worker()
    logs, lag = _supervised(worker, 30.5)
    assert worker.did == [(1, "settled")]
    assert worker.shown == 30
    assert logs == []
    assert lag.cancelled


def test_it_is_settled_with_its_first_membership():
    """Not before, and not again after it was away."""
    worker = _Worker(joined=False)

    def join(worker, _app):
        worker.joined = True

    _supervised(worker, 20.5, change=join)
    assert worker.did == [(11, "settled")]


def test_a_stalled_worker_is_failed_with_all_stacks_and_stopped_once():
    """Health first, so that the reason is seen while it ends; one line for each task and thread."""
    worker = _Worker(STUCK)
    logs, _ = _supervised(worker, 40.5)
    why = "no event finished for 10 s"
    assert worker.did == [(1, "settled"), (11, "failed", "stalled", why), (11, "stop", f"stalled: {why}")]
    assert {line["event"] for line in logs} == {"stack"}
    named = {line["of"]: line["at"] for line in logs}
    assert any("supervise" in at for at in named.values())
    assert "run" in named["task lag"]
    assert 1 <= len(named["thread MainThread"].split(" < ")) <= 8
    assert named["thread MainThread"].startswith("watchdog.py:")


def test_a_worker_that_ends_already_is_not_stopped_again():
    """Its end has its own reason; a stall during it changes nothing."""
    worker = _Worker(STUCK, stopping=True)
    logs, _ = _supervised(worker, 40.5)
    assert worker.did == [(1, "settled")]
    assert logs == []


def test_a_crashed_stream_stops_the_worker():
    """By the kind of the error; its words may quote an event."""
    worker = _Worker()

    def crash(worker, app):
        app.crashed, app.crash_reason = True, ValueError("asha@example.com")
        worker.stop = worker.did.append

    _supervised(worker, 3.0, change=crash)
    assert worker.did[1:] == ["the stream crashed: ValueError"]


@pytest.mark.parametrize(
    ("error", "told"), [(None, ("RuntimeError", "lag meter ended")), (ValueError("odd"), ("ValueError", "odd"))]
)
@pytest.mark.parametrize("stopping", [False, True])
def test_a_meter_that_ends_breaks_the_worker_at_work(error, told, stopping):
    """Without it nobody knows whether there is work; while the worker stops the client it asks may be gone."""
    worker = _Worker(stopping=stopping)
    _supervised(worker, 10.5, lag=_Lag(3.5, error))
    assert worker.did == [(1, "settled")] + ([] if stopping else [(4, "broke", *told)])


@pytest.mark.parametrize(("levels", "more"), [(13, []), (14, ["(1 more)"])])
def test_fourteen_frames_are_told_whole(levels, more):
    """One more, and the middle is left out."""

    async def deep(left):
        await (deep(left - 1) if left else asyncio.get_running_loop().create_future())

    async def main():
        task = asyncio.create_task(deep(levels), name="deep")
        await asyncio.sleep(0)
        found = dict(stacks())["task deep"]
        task.cancel()
        return found

    found = asyncio.run(main())
    assert found.count(" deep") == 14
    assert re.findall(r"\(.* more\)", found) == more


def test_what_a_generator_awaits_is_followed():
    """A coroutine that was made of a generator, as older libraries have them."""

    @types.coroutine
    def old():
        yield from asyncio.get_running_loop().create_future()

    async def waits():
        await old()

    async def main():
        task = asyncio.create_task(waits(), name="old")
        await asyncio.sleep(0)
        found = dict(stacks())["task old"]
        task.cancel()
        return found

    assert [part.split()[-1] for part in asyncio.run(main()).split(" < ")] == ["old", "waits"]


def test_a_task_that_waits_for_another_shows_its_own_frames_only():
    """The other one has its own line."""

    async def inner():
        await asyncio.get_running_loop().create_future()

    async def outer():
        await asyncio.create_task(inner(), name="inner")

    async def main():
        task = asyncio.create_task(outer(), name="outer")
        await asyncio.sleep(0.01)
        found = dict(stacks())
        task.cancel()
        return found

    found = asyncio.run(main())
    assert [part.split()[-1] for part in found["task outer"].split(" < ")] == ["outer"]
    assert [part.split()[-1] for part in found["task inner"].split(" < ")] == ["inner"]
