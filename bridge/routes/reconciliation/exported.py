"""The events of MoEngage's export files, by their ids: what the stream should have brought."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bridge.model.errors import NotJson
from bridge.routes.reconciliation.fates import id_of
from bridge.sources.moengage.decoder import DECODER
from bridge.sources.moengage.export_files import Export
from bridge.sources.moengage.export_names import ExportTimes, is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bridge.routes.reconciliation.event_table import EventTable

_TOLD_EVERY = 20_000


def exported_ids(files: Sequence[str], days: range, table: EventTable, tell: Callable[[str], None]) -> None:
    """Put the id of every event of the files into the table; lines that are no events are passed. Raises ``InputError``.

    An address of object storage stands for its exports of these days' folders.
    """
    for export in _exports(files, days):
        name = export.name
        try:
            for count, (line, document) in enumerate(export.documents()):
                try:
                    events = DECODER.events_of(DECODER.parse_body(document))
                except NotJson:
                    continue
                for part, event in enumerate(events):
                    if isinstance(event, dict):
                        table.add_exported(id_of(event, f"{name}/{line}/{part}"))
                if count % _TOLD_EVERY == 0:
                    tell(f"reading {name}: line {line}")
        finally:
            export.close()


def _exports(files: Sequence[str], days: range) -> Iterator[Export]:
    begin, end = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in (days.start, days.stop))
    for name in files:
        if not is_url(name):
            yield Export(name)
            continue
        from bridge.sources.moengage.object_storage import Bucket, Listing  # noqa: PLC0415 - its package is an extra

        bucket = Bucket(name)
        for found in bucket.find(ExportTimes(begin, end), Listing(), lambda: False):
            yield bucket.open(found)
