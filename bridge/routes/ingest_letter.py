"""The dead letter of a record that AEP refused after its 200. The same record gives the same letter, whoever makes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bridge.kafka.producer.letter_store import LetterFit
from bridge.model.dead_letter import DeadLetter, Form
from bridge.model.verdicts import Stage

if TYPE_CHECKING:
    from bridge.adobe.reconciliation.failed_batch import FailedBatch
    from bridge.adobe.reconciliation.refused_record import RefusedRecord
    from bridge.model.ports import Decoder
    from bridge.routes.originals import Original
    from bridge.settings import Route


def letter_of(
    route: Route, decoder: Decoder, batch: FailedBatch, record: RefusedRecord, original: Original | None
) -> LetterFit:
    """The dead letter of a failed record: of its event in Kafka where there is one, else of what came back."""
    letter = DeadLetter(
        key=None,
        value=record.value,
        stage=Stage.INGEST,
        code=record.code,
        reason=f"AEP refused it after its 200, in batch {batch.identifier}: {record.reason}",
        event_uuid=record.identifier,
        failed_at=datetime.fromtimestamp(batch.finished / 1000, UTC),
        route=route.name,
        form=Form.XDM,
        batch=batch.identifier,
        record=record.digest,
    )
    if original is not None:
        found = replace(
            letter,
            key=original.key,
            value=original.value,
            form=original.form,
            topic=route.settings.kafka.topic,
            partition=original.partition,
            offset=original.offset,
            replays=original.replays,
        )
        return LetterFit(found, original.headers)
    if route.settings.aep.payload == "raw" and record.event is not None and not record.is_xdm:
        # What a dataflow with a mapping gives back is the event itself.
        letter = replace(letter, key=decoder.record_key(record.event), form=Form.EVENT)
    return LetterFit(letter)
