"""Reads the rows of a run and says of each what it is to it; counts what it meets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.sources.warehouse import cursors
from bridge.sources.warehouse.comparison import RowFinding
from bridge.sources.warehouse.rows import RowForm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.routes.syncing.run_account import RunAccount
    from bridge.settings import WarehouseSettings
    from bridge.sources.warehouse.comparison import Comparison
    from bridge.sources.warehouse.databases.reading import RowBatch, RowSource
    from bridge.sources.warehouse.rows import Row


class RowsMet:
    """All rows, or those from the cursor ``since`` on and, with them, those that were refused before. To be read in one thread.

    ``newest``: the largest cursor that was met; ``whole``: whether the reading came to its end.
    """

    def __init__(
        self,
        source: RowSource,
        settings: WarehouseSettings,
        comparison: Comparison,
        account: RunAccount,
        *,
        since: Any = None,
        full: bool = False,
    ) -> None:
        self._source = source
        self._settings = settings
        self._comparison = comparison
        self._account = account
        self._since = since
        self._full = full
        self.newest: Any = None
        self.whole = False

    def batches(self) -> Iterator[list[tuple[Row, RowFinding]]]:
        """Rows with what they are, a batch at a time. Raises ``BridgeError``."""
        for batch in self._source.batches(self._since):
            yield self._met(batch)
        if self._since is not None:
            for keys in self._comparison.refused_keys():
                for batch in self._source.by_key(keys):
                    yield self._met(batch)
        self.whole = True

    def _met(self, batch: RowBatch) -> list[tuple[Row, RowFinding]]:
        form = self._form(batch)
        account = self._account
        rows: list[Row] = []
        for values in batch.rows:
            row = form.read(values)
            if isinstance(row, str):
                account.invalid[row] += 1
                continue
            rows.append(row)
            if self._settings.cursor is not None:
                if row.cursor is None:
                    account.without_cursor += 1
                else:
                    self.newest = cursors.later(self.newest, row.cursor)
        account.read += len(batch.rows)
        findings = self._comparison.compare(rows, full=self._full)
        for finding in findings:
            if finding is RowFinding.DUPLICATE:
                account.invalid[finding] += 1
            else:
                account.findings[finding] += 1
        return list(zip(rows, findings, strict=True))

    def _form(self, batch: RowBatch) -> RowForm:
        settings = self._settings
        return RowForm(
            batch.columns,
            key=settings.key,
            users=settings.kind == "users",
            zone=settings.zone,
            cursor=settings.cursor,
        )
