"""Where processes that send to one workspace or organisation keep what they have sent, so that what one leaves others may use.

A board has an entry for each account (a workspace and its budgets). In one process it is an object; under a parent it is memory that
the parent hands to each process, so that a process which has nothing to send costs nothing of the budget. Each process notes its part
of the rates there; together they have the sum of the parts of those that live. Times are seconds of the system's monotonic clock,
which all processes of a machine share.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

BUDGETS: Final = 6
"""Most budgets of one account."""
REQUESTS_AT: Final = BUDGETS + 1
"""Where the times of an account hold until when the rate of requests is busy, where it is shared."""
EVENTS_AT: Final = BUDGETS + 2
"""Where they hold the same of the rate of events."""
TIMES: Final = BUDGETS + 3
_MEMBERS: Final = 128
"""Processes that may note their part; beyond that one counts for nothing."""
_ACCOUNTS: Final = 64
ALIVE_SECONDS: Final = 5.0
"""A process that has not noted its part for this many seconds has ended."""
_LOCK_SECONDS: Final = 0.1
"""A lock is held for microseconds: whoever has had it for longer was stopped."""
_LOOK_SECONDS: Final = 0.000_2
_KEY = struct.Struct("16s")
_TIMES = struct.Struct(f"{TIMES}d")
_MEMBER = struct.Struct("qdd")
_ACCOUNT_BYTES: Final = _KEY.size + _TIMES.size + _MEMBERS * _MEMBER.size
BOARD_BYTES: Final = _ACCOUNTS * _ACCOUNT_BYTES


class Account(Protocol):
    """What is known of one account: ``times`` holds for each budget until when it is busy, behind them until when all pause.

    At ``REQUESTS_AT`` and ``EVENTS_AT`` lie those of rates that are shared.
    """

    @contextmanager
    def held(self) -> Iterator[list[float]]:
        """The times, for reading and changing, while nobody else does."""
        ...

    def share(self, mine: float, now: float) -> float:
        """Note this process's part; the part of all that live, above 0 and at most 1."""
        ...


class OwnAccount:
    """The account of a process that shares with none on its machine."""

    def __init__(self) -> None:
        self._times = [0.0] * TIMES

    @contextmanager
    def held(self) -> Iterator[list[float]]:
        """See :class:`Account`."""
        yield self._times

    def share(self, mine: float, now: float) -> float:  # noqa: ARG002 - the protocol's
        """See :class:`Account`."""
        return min(1.0, mine)


class Board:
    """Memory of all accounts. Its descriptor goes to the processes that share it; the kernel frees a lock whose holder died."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, BOARD_BYTES)
        self._holder_stands_still = False

    @classmethod
    def create(cls) -> Board:
        """A new one, that no file system has a name for."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("aep-bridge-pace")
        else:  # pragma: no cover - systems other than Linux
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, BOARD_BYTES)
        return cls(descriptor)

    def account(self, name: str, member: int | None = None) -> Account:
        """The account of this name, made where it is not there; ``member``: this process, by its id."""
        key = hashlib.blake2b(name.encode(), digest_size=_KEY.size).digest()
        with self._locked():
            for start in range(0, BOARD_BYTES, _ACCOUNT_BYTES):
                found = self._memory[start : start + _KEY.size]
                if found == key:
                    return _SharedAccount(self, start, os.getpid() if member is None else member)
                if found == bytes(_KEY.size):
                    self._memory[start : start + _KEY.size] = key
                    return _SharedAccount(self, start, os.getpid() if member is None else member)
        return OwnAccount()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        is_ours = self._lock()
        try:
            yield
        finally:
            if is_ours:
                fcntl.lockf(self.descriptor, fcntl.LOCK_UN)

    def _lock(self) -> bool:
        """Whether the lock was got. A process that was stopped while it held it must not stop the others: they go on without."""
        until = time.monotonic() + (0.0 if self._holder_stands_still else _LOCK_SECONDS)
        while True:
            try:
                fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    self._holder_stands_still = True
                    return False
                time.sleep(_LOOK_SECONDS)
            else:
                self._holder_stands_still = False
                return True


class _SharedAccount:
    def __init__(self, board: Board, start: int, member: int) -> None:
        self._board = board
        self._member = member
        self._times_at = start + _KEY.size
        self._members_at = self._times_at + _TIMES.size

    @contextmanager
    def held(self) -> Iterator[list[float]]:
        """See :class:`Account`."""
        memory = self._board._memory  # noqa: SLF001 - the board's own
        with self._board._locked():  # noqa: SLF001
            times = list(_TIMES.unpack_from(memory, self._times_at))
            before = times.copy()
            yield times
            if times != before:
                _TIMES.pack_into(memory, self._times_at, *times)

    def share(self, mine: float, now: float) -> float:
        """See :class:`Account`."""
        memory, total, free, own = self._board._memory, 0.0, None, None  # noqa: SLF001
        with self._board._locked():  # noqa: SLF001
            for slot in range(_MEMBERS):
                at = self._members_at + slot * _MEMBER.size
                member, part, noted = _MEMBER.unpack_from(memory, at)
                alive = member != 0 and now - noted < ALIVE_SECONDS
                if member == self._member:
                    own = at
                elif alive:
                    total += part
                elif free is None:
                    free = at
            place = own if own is not None else free
            if place is not None:
                _MEMBER.pack_into(memory, place, self._member, mine, now)
        return min(1.0, total + mine)
