"""What a route's runs leave for the next ones in the state topic: accounts, the cursor, rows that were given up.

========================  ===============================================================================
``sync-run/ROUTE/RUN``    the account of a run; while it runs, the claim that no other may
``sync-cursor/ROUTE``     how far the runs have come
``sync-given-up/ROUTE``   by key the hash of rows that are not to be tried again as they are
========================  ===============================================================================
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.model.errors import BridgeError
from bridge.routes.syncing.run_account import RunAccount, is_process
from bridge.sources.warehouse import cursors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.kafka.state_topic import StateTopic

_HISTORY: Final = 30
"""Runs of a route that are remembered."""
_WITHDRAW_SECONDS: Final = 15.0
"""Seconds within which a run that began together with this one withdraws: it reads the topic, and writes to it, of which each is bounded."""
_LOOK_SECONDS: Final = 0.5


class Kept:
    """The part of the state topic that is of ``route``; a cursor counts only for ``column``."""

    def __init__(self, topic: StateTopic, route: str, column: str | None) -> None:
        self._topic = topic
        self._route = route
        self._column = column
        self._values: Mapping[bytes, bytes] = {}

    async def read(self) -> None:
        """Read it anew. ``KafkaError``."""
        self._values = await self._topic.read()

    def runs(self) -> list[RunAccount]:
        """The runs that are remembered, the newest first."""
        prefix = f"sync-run/{self._route}/".encode()
        found: list[RunAccount] = []
        for key, value in self._values.items():
            if key.startswith(prefix) and value:
                try:
                    found.append(RunAccount.from_bytes(value))
                except ValueError:
                    continue
        return sorted(found, key=lambda one: one.run, reverse=True)

    def cursor(self) -> Any:
        """How far the runs have come; None where nothing is known."""
        value = self._values.get(self._cursor_key)
        if not value or self._column is None:
            return None
        try:
            kept = orjson.loads(value)
            return cursors.from_kept(kept) if kept["column"] == self._column else None
        except (ValueError, KeyError, TypeError, ArithmeticError):
            return None

    def given_up(self) -> dict[str, str]:
        """By key the hash of the rows that were given up."""
        value = self._values.get(self._given_up_key)
        return dict(orjson.loads(value)) if value else {}

    async def claim(self, account: RunAccount) -> None:
        """Write that this run is under way. ``BridgeError`` where another one is; then nothing of this one is left."""
        await self.read()
        self._refuse_beside(account)
        account.beat = datetime.now(UTC)
        await self.write(account)
        try:
            await self._come_to_terms(account)
        except BridgeError:
            await self._topic.write({self._run_key(account): None})
            raise

    async def _come_to_terms(self, account: RunAccount) -> None:
        """Of those that have claimed at once all but the earliest withdraw.

        A later one that is there may have looked before this one's claim was written, and be at work: only when it has withdrawn is
        that known.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _WITHDRAW_SECONDS
        await self.read()
        self._refuse_beside(account, before=account.run)
        while self._beside(account):
            if loop.time() >= until:
                self._refuse_beside(account)
            await asyncio.sleep(_LOOK_SECONDS)
            await self.read()
            self._refuse_beside(account, before=account.run)

    def _beside(self, account: RunAccount, before: str | None = None) -> RunAccount | None:
        """Another run that is under way; ``before``: of those that began before this one alone."""
        now = datetime.now(UTC)
        for other in self.runs():
            if other.run == account.run or (before is not None and other.run > before):
                continue
            if other.is_alive(now, is_process=is_process):
                return other
        return None

    def _refuse_beside(self, account: RunAccount, before: str | None = None) -> None:
        other = self._beside(account, before)
        if other is not None:
            raise BridgeError(
                f"a run of route {self._route} is under way since {other.started:%Y-%m-%d %H:%M:%S} UTC"
                f" on {other.host} (process {other.pid})",
                hint="aep-bridge sync status shows it; one run at a time sends a route's rows",
            )

    async def write(self, account: RunAccount) -> None:
        """Store the account as it is."""
        await self._topic.write({self._run_key(account): account.to_bytes()})

    async def finish(self, account: RunAccount, cursor: Any = None) -> None:
        """Store the account as the last word of the run, the cursor with it, and forget the oldest runs."""
        values: dict[bytes, bytes | None] = {self._run_key(account): account.to_bytes()}
        if cursor is not None and self._column is not None:
            values[self._cursor_key] = orjson.dumps({"column": self._column, **cursors.to_kept(cursor)})
        runs = [one for one in self.runs() if one.run != account.run]
        values |= {self._run_key(one): None for one in runs[_HISTORY - 1 :]}
        await self._topic.write(values)

    async def give_up(self, hashes: Mapping[str, str]) -> None:
        """Remember that these rows are not to be tried again as they are."""
        await self._topic.write({self._given_up_key: orjson.dumps(self.given_up() | dict(hashes))})

    def _run_key(self, account: RunAccount) -> bytes:
        return f"sync-run/{self._route}/{account.run}".encode()

    @property
    def _cursor_key(self) -> bytes:
        return f"sync-cursor/{self._route}".encode()

    @property
    def _given_up_key(self) -> bytes:
        return f"sync-given-up/{self._route}".encode()
