"""The events of MoEngage's export files, by their ids: what the stream should have brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.errors import NotJson
from bridge.routes.reconciliation.fates import id_of
from bridge.sources.moengage.decoder import DECODER
from bridge.sources.moengage.export_files import Export

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.routes.reconciliation.event_table import EventTable

_TOLD_EVERY = 20_000


def exported_ids(files: Sequence[str], table: EventTable, tell: Callable[[str], None]) -> None:
    """Put the id of every event of the files into the table; lines that are no events are passed. Raises ``InputError``."""
    for name in files:
        export = Export(name)
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
