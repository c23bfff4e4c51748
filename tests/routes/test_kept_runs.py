"""What runs leave for the next ones: one run at a time, a history of bounded length, a cursor, rows that were given up."""

from __future__ import annotations

import asyncio
import platform
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from bridge.model.errors import BridgeError, KafkaError
from bridge.routes.syncing import kept as kept_module
from bridge.routes.syncing import pulse as pulse_module
from bridge.routes.syncing.kept import Kept
from bridge.routes.syncing.pulse import Pulse
from bridge.routes.syncing.run_account import RunAccount, begin_account, is_process


class Topic:
    """A state topic in memory."""

    def __init__(self):
        self.values = {}

    async def read(self):
        """All of them."""
        return dict(self.values)

    async def write(self, values):
        """Some of them; None forgets."""
        for key, value in values.items():
            self.values.pop(key, None)
            if value is not None:
                self.values[key] = value


def account(route="crm", **changes) -> RunAccount:
    """The account of a run that begins now."""
    made = begin_account(route, "upsert", full=False, limit=None)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def kept_of(topic, route="crm", column=None) -> Kept:
    """What is kept of a route."""
    return Kept(topic, route, column)


def test_an_account_is_kept_as_it_is():
    """What is stored is read as it was, counters and times too."""
    made = account(read=5, refused=Counter({"code": 2}), ended=datetime(2026, 1, 1, tzinfo=UTC), end="done")
    back = RunAccount.from_bytes(made.to_bytes())
    assert back == made
    assert back.refused["never"] == 0
    for wrong in (b"[]", b"{}", b'{"run": 1, "of": 2}', b"nonsense"):
        with pytest.raises(ValueError, match=r"account|missing|unexpected|JSON|malformed|literal"):
            RunAccount.from_bytes(wrong)


def test_clean():
    """Clean is a run that ended well, with every row where it belongs."""
    assert account(end="done").is_clean
    for changes in (
        {"end": "stopped"},
        {"refused": Counter(a=1)},
        {"invalid": Counter(a=1)},
        {"held_back": 1},
        {"unaccounted": 1},
    ):
        assert not account(**({"end": "done"} | changes)).is_clean


def test_alive():
    """A run lives while it is heard of, and not after its process has gone from this machine."""
    now = datetime.now(UTC)
    here = account()
    assert here.is_alive(now, is_process=lambda _pid: True)
    assert not here.is_alive(now, is_process=lambda _pid: False)
    assert not here.is_alive(now + timedelta(seconds=31), is_process=lambda _pid: True)
    elsewhere = account(host="other")
    assert elsewhere.is_alive(now, is_process=lambda _pid: False)
    assert not account(end="done").is_alive(now, is_process=lambda _pid: True)
    assert is_process(here.pid)
    assert here.host == platform.node()


async def test_one_at_a_time():
    """A claim is refused beside a living run, leaves nothing then, and is not beside one that died or another route's."""
    topic = Topic()
    await kept_of(topic).claim(first := account())
    with pytest.raises(BridgeError, match="under way since") as caught:
        await kept_of(topic).claim(account())
    assert str(first.pid) in str(caught.value)
    assert len(topic.values) == 1
    await kept_of(topic, "other").claim(account("other"))
    first.host, first.beat = "gone", datetime.now(UTC) - timedelta(seconds=60)
    await kept_of(topic).write(first)
    await kept_of(topic).claim(account())


async def test_two_that_begin_at_once(monkeypatch):
    """Of two claims that have not seen each other at first, the earlier one goes on and the later one withdraws."""
    monkeypatch.setattr(kept_module, "_LOOK_SECONDS", 0)
    topic = Topic()
    early, late = account(), account()
    early.run, late.run = "1", "2"
    read = topic.read
    meanwhile = [lambda: topic.write({b"sync-run/crm/1": early.to_bytes()})]

    async def read_then_the_other_writes():
        found = await read()
        if meanwhile:
            await meanwhile.pop()()
        return found

    topic.read = read_then_the_other_writes
    with pytest.raises(BridgeError, match="under way"):
        await kept_of(topic).claim(late)
    assert list(topic.values) == [b"sync-run/crm/1"]
    topic.values.clear()
    meanwhile[:] = [
        lambda: topic.write({b"sync-run/crm/2": None}),
        lambda: topic.write({b"sync-run/crm/2": late.to_bytes()}),
    ]
    await kept_of(topic).claim(early)
    assert list(topic.values) == [b"sync-run/crm/1"]


async def test_a_later_one_that_was_quicker(monkeypatch):
    """It has looked before the earlier one's claim was written and is at work: the earlier one withdraws, or both would send."""
    monkeypatch.setattr(kept_module, "_LOOK_SECONDS", 0)
    monkeypatch.setattr(kept_module, "_WITHDRAW_SECONDS", 0.05)
    topic = Topic()
    early, late = account(), account()
    early.run, late.run = "1", "2"
    read = topic.read
    quick = [lambda: kept_of(topic).claim(late)]

    async def read_then_the_other_claims():
        found = await read()
        if quick:
            await quick.pop()()
        return found

    topic.read = read_then_the_other_claims
    with pytest.raises(BridgeError, match="under way"):
        await kept_of(topic).claim(early)
    assert list(topic.values) == [b"sync-run/crm/2"]


async def test_a_run_tells_that_it_lives_until_it_cannot(monkeypatch):
    """A write that fails is not the last one; after as long as makes others take it for dead it must send nothing more."""
    monkeypatch.setattr(pulse_module, "_BEAT_SECONDS", 0.001)
    topic, beats, now = Topic(), asyncio.Event(), [0.0]
    mine = account()
    write, fails = topic.write, [KafkaError("away")]

    async def fails_once(values):
        if fails:
            raise fails.pop()
        await write(values)
        beats.set()

    topic.write = fails_once
    async with Pulse(kept_of(topic), mine, lambda: now[0]) as pulse:
        await asyncio.wait_for(beats.wait(), 5)
        assert not fails
        pulse.check()
        topic.write = None
        pulse._task.cancel()
        now[0] = 29.9
        pulse.check()
        now[0] = 30.0
        with pytest.raises(BridgeError, match="another one may have begun"):
            pulse.check()


async def test_history_is_bounded():
    """The newest thirty runs stay, the newest first."""
    topic = Topic()
    for number in range(40):
        kept = kept_of(topic)
        await kept.read()
        await kept.finish(account(run=f"{number:02}", end="done"))
    await kept.read()
    assert [run.run for run in kept.runs()] == [f"{number:02}" for number in range(39, 9, -1)]


async def test_cursor():
    """A cursor is kept for its column, and is none for another one."""
    topic = Topic()
    kept = kept_of(topic, column="updated_at")
    await kept.finish(account(), datetime(2026, 1, 1, tzinfo=UTC))
    await kept.read()
    assert kept.cursor() == datetime(2026, 1, 1, tzinfo=UTC)
    other = kept_of(topic, column="changed_at")
    await other.read()
    assert other.cursor() is None
    topic.values[b"sync-cursor/crm"] = b"nonsense"
    await kept.read()
    assert kept.cursor() is None


async def test_given_up():
    """Rows that were given up add up."""
    topic = Topic()
    kept = kept_of(topic)
    await kept.give_up({"a": "1"})
    await kept.read()
    await kept.give_up({"b": "2"})
    await kept.read()
    assert kept.given_up() == {"a": "1", "b": "2"}
