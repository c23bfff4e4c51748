"""How a run ends in its account, and whether the cursor moves: only what came to its end may hide rows from the next run."""

import asyncio
import sqlite3
from types import SimpleNamespace

import pytest
from awaiting import until

from bridge.model.errors import BridgeError
from bridge.routes.syncing import sending
from bridge.routes.syncing.run_account import begin_account
from bridge.routes.syncing.sending import Running
from bridge.settings import WarehouseSettings
from bridge.sources.warehouse.comparison import Comparison
from bridge.sources.warehouse.databases.reading import RowBatch
from bridge.sources.warehouse.marks import RowMark


class Kept:
    """What is left for the next run."""

    def __init__(self):
        self.cursors = []

    def cursor(self):
        """Nothing is known."""

    async def finish(self, account, cursor=None):
        """The last word."""
        self.account = account
        self.cursors.append(cursor)


class Source:
    """One row."""

    def batches(self, since=None):
        """All of them."""
        assert since is None
        yield RowBatch(("id", "at"), [("1", 5)])


class Session:
    """Everything in one thread; ``follows`` is what looking for marks does."""

    def __init__(self, comparison, follows, mode):
        warehouse = WarehouseSettings(key=("id",), cursor="at", mode=mode, vanished="event", vanished_share=1)
        self.route = SimpleNamespace(settings=SimpleNamespace(warehouse=warehouse), name="crm")
        self.source, self.comparison, self.waiting_before = Source(), comparison, 0
        self.under_way = SimpleNamespace(spans=self._spans)
        self._follows = follows

    async def _spans(self):
        return {0: SimpleNamespace(records=1)}

    async def call(self, work, *given):
        """At once."""
        return work(*given)

    async def each(self, pages):
        """At once."""
        for page in pages:
            yield page

    async def follow(self):
        """Look for marks."""
        return self._follows()


class Publisher:
    """Takes everything."""

    async def publish(self, records, *, topic=None):
        """Take it."""
        assert records
        assert topic is None


def running(tmp_path, follows, check=lambda: None, *, mode="upsert", limit=None):
    """A run of one row, with what is kept of it; to be awaited with its comparison open."""
    comparison, kept = Comparison(tmp_path), Kept()
    account = begin_account("crm", "upsert", full=False, limit=limit)
    run = Running(
        Session(comparison, follows, mode),
        kept,
        Publisher(),
        account,
        SimpleNamespace(check=check),
        stop=asyncio.Event(),
        tell=lambda *_: None,
        remark=lambda _: None,
    )
    return run, comparison, kept


async def test_an_error_of_its_own_is_no_good_end(tmp_path):
    """All rows have been read, and what became of them is not known: the account says failed, and the cursor stays."""
    looks = []

    def follows():
        looks.append(1)
        if len(looks) > 1:
            raise sqlite3.OperationalError("database or disk is full")
        return 0

    run, comparison, kept = running(tmp_path, follows)
    with comparison, pytest.raises(sqlite3.OperationalError):
        await run.run()
    assert (kept.account.end, kept.account.error) == ("failed", "unexpected OperationalError")
    assert kept.cursors == [None]


async def test_a_run_that_is_cancelled_is_stopped(tmp_path):
    """It waits for its row, and is ended from outside."""
    looks = []

    def follows():
        looks.append(1)
        return 0

    run, comparison, kept = running(tmp_path, follows)
    with comparison:
        task = asyncio.create_task(run.run())
        await until(lambda: len(looks) > 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert kept.account.end == "stopped"
    assert kept.cursors == [None]


async def test_nothing_is_sent_by_a_run_that_others_take_for_dead(tmp_path):
    """Another one may be sending the same rows."""

    def lost():
        raise BridgeError("another one may have begun")

    run, comparison, kept = running(tmp_path, lambda: 0, check=lost)
    with comparison, pytest.raises(BridgeError, match="another one"):
        await run.run()
    assert (kept.account.end, kept.account.sent, comparison.open) == ("failed", 0, 0)


async def test_a_good_end_moves_the_cursor(tmp_path):
    """The row is accepted."""

    def follows():
        comparison.not_sent(["1"]) if comparison.open else None
        return 1

    run, comparison, kept = running(tmp_path, follows)
    with comparison:
        await run.run()
    assert kept.account.end == "done"
    assert kept.cursors == [5]


@pytest.mark.parametrize(("limit", "vanished"), [(None, 1), (5, 0)])
async def test_a_run_with_a_limit_tells_of_no_row_that_is_gone(tmp_path, monkeypatch, limit, vanished):
    """It is a test of some rows, also where the table has fewer than the limit; however many are gone, they are no rows of it."""
    monkeypatch.setattr(sending, "attributes_of", lambda _route: ["plan"])

    def follows():
        comparison.not_sent(comparison.waiting(10))
        return 1

    run, comparison, kept = running(tmp_path, follows, mode="mirror", limit=limit)
    with comparison:
        comparison.marked([(b"gone", RowMark("hash", "run").to_bytes())])
        await run.run()
    assert (kept.account.end, kept.account.vanished, kept.account.sent) == ("done", vanished, 1 + vanished)
