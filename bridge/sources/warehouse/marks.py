"""What is remembered of a row: which state of it MoEngage has accepted, or why it was refused. Pure.

The record of a row carries its key, its hash and the run in headers; the worker, which alone knows the verdict, writes the mark by key.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

ROW_HEADER: Final = "bridge.row"
HASH_HEADER: Final = "bridge.hash"
RUN_HEADER: Final = "bridge.run"
GONE: Final = "-"
"""In the place of a hash: the row has vanished, and that was told."""


class MarkState(StrEnum):
    """How the record of a row ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class RowMark:
    """``hash`` of the row that ended so, the ``run`` that sent it (later runs are larger), and ``code``: why it was not accepted.

    ``customer``: whose row it is, where the key does not say.
    """

    hash: str
    run: str
    state: MarkState = MarkState.ACCEPTED
    code: str = ""
    customer: str = ""

    def to_bytes(self) -> bytes:
        """As it is stored."""
        document = {"h": self.hash, "r": self.run}
        if self.state is not MarkState.ACCEPTED:
            document[self.state.value] = self.code
        if self.customer:
            document["c"] = self.customer
        return orjson.dumps(document)

    @classmethod
    def from_bytes(cls, stored: bytes) -> RowMark:
        """Of what was stored; ``ValueError`` for anything else."""
        document = orjson.loads(stored)
        if not isinstance(document, dict):
            raise ValueError("a mark is an object")  # noqa: TRY004 - one error for whatever is no mark
        try:
            hashed, run, customer = document["h"], document["r"], document.get("c", "")
        except KeyError as missing:
            raise ValueError(f"a mark has no {missing}") from None
        for state in (MarkState.REFUSED, MarkState.LEFT_OUT):
            if state in document:
                return cls(hashed, run, state, document[state], customer)
        return cls(hashed, run, customer=customer)


@dataclass(frozen=True, slots=True)
class Sent:
    """What the headers of a record say: the row's key, its hash, the run."""

    key: str
    hash: str
    run: str

    def headers(self) -> list[tuple[str, bytes | None]]:
        """As headers of a Kafka record."""
        return [(ROW_HEADER, self.key.encode()), (HASH_HEADER, self.hash.encode()), (RUN_HEADER, self.run.encode())]


def sent_of(headers: Sequence[tuple[str, bytes | None]]) -> Sent | None:
    """What a record's headers say; None where it is no row that a run has sent."""
    found = {name: value for name, value in headers if value is not None}
    try:
        key, hashed, run = (found[name].decode() for name in (ROW_HEADER, HASH_HEADER, RUN_HEADER))
    except (KeyError, UnicodeDecodeError):
        return None
    return Sent(key, hashed, run) if key else None
