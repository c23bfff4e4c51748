"""What a run reads from: the port that databases and files fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BATCH_ROWS: Final = 2_000
"""Rows that are in memory together."""


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Some rows: the names of their columns, and the values of each."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class RowSource(Protocol):
    """Rows of one query, table or file, read as a stream. All calls come from one thread. Errors are ``BridgeError``."""

    def columns(self) -> Sequence[str]:
        """The names of the columns; the database is asked for no row."""
        ...

    def batches(self, since: Any = None) -> Iterator[RowBatch]:
        """All rows, or those whose cursor is ``since`` or more, or null. One batch at least, for its columns."""
        ...

    def by_key(self, keys: Sequence[str]) -> Iterator[RowBatch]:
        """Rows with these keys, as :func:`bridge.sources.warehouse.rows.key_text` writes them, as far as they are there."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...
