"""The state of one partition under owners that come and go: what an earlier owner still writes never takes the place of a later one's. Pure.

An owner *claims* the partition before it reads it: it appends a record, whose offset numbers its ownership. Its number is part of every key
that it writes, so that two owners never write the same key, and compaction, which keeps the last record of a key, keeps what is needed
whatever order they write in. Of several records of one customer that of the highest number counts. An owner that has written a customer
for the first time deletes what the one before had written of it.

Why that is enough: an owner commits only what it has stored, and Kafka takes no commit of one that the group has left behind. What the one
before has committed is therefore stored before the later one's claim, which reads up to that; and what it stores after that belongs to
events that it can no longer commit, so that they come again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_NUMBER_BYTES: Final = 8
_NOWHERE: Final = bytes(_NUMBER_BYTES)
"""Number of what is known and lies in no log."""
_CLAIM: Final = b"claim"
"""Key of a claim, shorter than any other."""

Entry = tuple[bytes, bytes | None]
"""Key and value of a record; None deletes."""


class OtherPartitionsError(Exception):
    """The state was written while the topic had another number of partitions: customers were in others then."""


class FencedState:
    """What is known by key, in the form that ``from_stored`` gives; ``next`` is the offset up to which the log was read.

    ``partitions``: how many the topic has. ``size``: bytes of keys and values. ``owned``: whether the claim has been met.
    """

    def __init__(self, from_stored: Callable[[bytes], bytes], partitions: int) -> None:
        self._from_stored = from_stored
        self._claim_key = _CLAIM + partitions.to_bytes(2, "big")
        self._kept: dict[bytes, bytes] = {}
        self._number = b""
        self._token = b""
        self.next = 0
        self.size = 0

    def __len__(self) -> int:
        """Keys of which something is known."""
        return len(self._kept)

    @property
    def owned(self) -> bool:
        """Whether the claim has been met on reading."""
        return bool(self._number)

    def value(self, key: bytes) -> bytes | None:
        """What is stored of a key."""
        kept = self._kept.get(key)
        return None if kept is None else kept[_NUMBER_BYTES:]

    def is_stored(self, key: bytes, value: bytes) -> bool:
        """Whether this very value of a key lies in the log."""
        kept = self._kept.get(key)
        return kept is not None and kept[_NUMBER_BYTES:] == value and kept[:_NUMBER_BYTES] != _NOWHERE

    def claim(self, token: bytes) -> Entry:
        """The record to append before reading; ``token`` tells it from all others."""
        self._number, self._token = b"", token
        return self._claim_key, token

    def begin_anew(self) -> None:
        """The log was made again. What is known is still true, and comes before nothing that is read from now on."""
        self._kept = {key: _NOWHERE + kept[_NUMBER_BYTES:] for key, kept in self._kept.items()}
        self.next = 0

    def read(self, records: Iterable[tuple[int, bytes, bytes | None]], upto: int) -> None:
        """Records of the log, in order: offset, key, value. Raises ``ValueError`` for a value of which nothing can be made."""
        for offset, key, value in records:
            if len(key) < _NUMBER_BYTES:
                self._meet(offset, key, value)
                continue
            number, name = key[:_NUMBER_BYTES], key[_NUMBER_BYTES:]
            kept = self._kept.get(name)
            if kept is not None and kept[:_NUMBER_BYTES] > number:
                continue
            if value is not None:
                self._put(name, number + self._from_stored(value), kept)
            elif kept is not None and kept[:_NUMBER_BYTES] == number:
                del self._kept[name]
                self.size -= len(name) + len(kept) - _NUMBER_BYTES
        self.next = upto

    def _meet(self, offset: int, key: bytes, value: bytes | None) -> None:
        if not key.startswith(_CLAIM):
            return
        if key != self._claim_key:
            raise OtherPartitionsError
        if value == self._token:
            self._number = (offset + 1).to_bytes(_NUMBER_BYTES, "big")

    def _put(self, name: bytes, numbered: bytes, before: bytes | None) -> None:
        self._kept[name] = numbered
        self.size += len(numbered) - (len(before) if before is not None else _NUMBER_BYTES - len(name))

    def entry(self, key: bytes, stored: bytes) -> Entry:
        """The record that stores a value of a key."""
        return self._number + key, stored

    def stored(self, key: bytes, value: bytes) -> Entry | None:
        """What :meth:`entry` gave is confirmed; what is to be deleted now: never before, or a value that is refused would take the last along."""
        before = self._kept.get(key)
        self._put(key, self._number + value, before)
        if before is None or before[:_NUMBER_BYTES] in (self._number, _NOWHERE):
            return None
        return before[:_NUMBER_BYTES] + key, None
