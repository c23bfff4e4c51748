"""What a run has to remember of millions of numbered events: a few bytes for each."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, MutableMapping, MutableSet
from typing import TYPE_CHECKING

from bridge.testing.numbered_events import number_of, uuid_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.emulators.adobe.received import Received

_GROWTH = 1 << 16
_MOST = 1 << 28
"""Numbers from here on are nobody's: an id that merely looks like one of ours must not reserve the memory for it."""


class Numbers(Collection[int]):
    """A set of numbers from 0 up, a byte each."""

    def __init__(self) -> None:
        self._there = bytearray()
        self._count = 0

    def add(self, number: int) -> bool:
        """Whether it is new."""
        if number >= len(self._there):
            self._there.extend(bytes(number + _GROWTH - len(self._there)))
        if self._there[number]:
            return False
        self._there[number] = 1
        self._count += 1
        return True

    def update(self, numbers: range) -> None:
        """Add each."""
        for number in numbers:
            self.add(number)

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and 0 <= number < len(self._there) and self._there[number] == 1

    def __iter__(self) -> Iterator[int]:
        return (number for number, there in enumerate(self._there) if there)

    def __len__(self) -> int:
        return self._count


class Ids(MutableSet[str]):
    """A set of _ids: a byte for one that is made of a number, an entry of a set for any other."""

    def __init__(self) -> None:
        self._known = Numbers()
        self._foreign: set[str] = set()

    def add(self, value: str) -> None:
        """Add one."""
        number = _ours(value)
        if number is None:
            self._foreign.add(value)
        else:
            self._known.add(number)

    def discard(self, value: str) -> None:
        """Nothing is ever taken out."""
        raise TypeError(f"what has arrived stays: {value}")

    def __contains__(self, value: object) -> bool:
        number = _ours(value) if isinstance(value, str) else None
        return value in self._foreign if number is None else number in self._known

    def __iter__(self) -> Iterator[str]:
        yield from map(uuid_of, self._known)
        yield from self._foreign

    def __len__(self) -> int:
        return len(self._known) + len(self._foreign)


class Digests(MutableMapping[str, bytes]):
    """_id -> digest of eight bytes; nine bytes for an id that is made of a number, a dictionary's entry for any other."""

    def __init__(self) -> None:
        self._known = Numbers()
        self._digests = array("Q")
        self._foreign: dict[str, bytes] = {}

    def __getitem__(self, identifier: str) -> bytes:
        number = _ours(identifier)
        if number is None:
            return self._foreign[identifier]
        if number not in self._known:
            raise KeyError(identifier)
        return self._digests[number].to_bytes(8, "big")

    def __setitem__(self, identifier: str, digest: bytes) -> None:
        number = _ours(identifier)
        if number is None:
            self._foreign[identifier] = digest
            return
        self._known.add(number)
        if number >= len(self._digests):
            self._digests.extend(array("Q", bytes(8 * (number + _GROWTH - len(self._digests)))))
        self._digests[number] = int.from_bytes(digest, "big")

    def setdefault(self, identifier: str, digest: bytes = b"") -> bytes:  # type: ignore[override]
        """As a dictionary's: ``digest`` itself when the id is new. (The inherited one asks thrice and raises once.)"""
        if identifier in self:
            return self[identifier]
        self[identifier] = digest
        return digest

    def __delitem__(self, identifier: str) -> None:
        raise TypeError(f"what has arrived stays: {identifier}")

    def __contains__(self, identifier: object) -> bool:
        number = _ours(identifier) if isinstance(identifier, str) else None
        return identifier in self._foreign if number is None else number in self._known

    def __iter__(self) -> Iterator[str]:
        yield from map(uuid_of, self._known)
        yield from self._foreign

    def __len__(self) -> int:
        return len(self._known) + len(self._foreign)


def _ours(identifier: str) -> int | None:
    number = number_of(identifier)
    return None if number is None or number >= _MOST else number


class Accepted(Mapping[str, tuple[int, bytes]]):
    """_id -> (times, digest), as the emulator has it."""

    def __init__(self, received: Received) -> None:
        self._received = received

    def __getitem__(self, identifier: str) -> tuple[int, bytes]:
        return 1 + self._received.repeated.get(identifier, 0), self._received.fingerprints[identifier]

    def __iter__(self) -> Iterator[str]:
        return iter(self._received.fingerprints)

    def __len__(self) -> int:
        return len(self._received.fingerprints)
