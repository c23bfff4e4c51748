"""What the worker remembers of rows: a :class:`bridge.model.accepted_state.Memory` that only writes; ``sync`` reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.model.accepted_state import Change
from bridge.model.event import LeftOut
from bridge.sources.warehouse.marks import MarkState, RowMark, sent_of

if TYPE_CHECKING:
    from bridge.model.accepted_state import Consumed, Recall
    from bridge.model.event import Event
    from bridge.model.verdicts import Rejected
    from bridge.sources.warehouse.marks import Sent


class AcceptedRows:
    """Marks of the rows that runs have sent; whatever else lies in the topic leaves none."""

    joins = False

    def prepare(self, event: Event, record: Consumed, recall: Recall) -> tuple[Event, Change | None]:  # noqa: ARG002 - of the port
        """The event as it is, and the mark of its row."""
        sent = sent_of(record.headers)
        if sent is None:
            return event, None
        return event, Change(sent.key.encode(), _mark(sent, record).to_bytes())

    def refused(self, change: Change, rejected: Rejected) -> Change | None:
        """The mark that says why the row became a dead letter."""
        if change.value is None:
            return None
        mark = replace(RowMark.from_bytes(change.value), state=MarkState.REFUSED, code=rejected.code)
        return Change(change.key, mark.to_bytes())

    def without_event(self, record: Consumed, outcome: Rejected | LeftOut) -> Change | None:
        """The mark of a row that is no event, or that a rule of the operator's leaves out."""
        sent = sent_of(record.headers)
        if sent is None:
            return None
        mark = _mark(sent, record)
        if isinstance(outcome, LeftOut):
            mark = replace(mark, state=MarkState.LEFT_OUT, code=outcome.rule)
        else:
            mark = replace(mark, state=MarkState.REFUSED, code=outcome.code)
        return Change(sent.key.encode(), mark.to_bytes())

    def to_stored(self, value: bytes) -> bytes:
        """As it is."""
        return value

    def from_stored(self, stored: bytes) -> bytes:
        """As it is; ``ValueError`` for what is no mark."""
        RowMark.from_bytes(stored)
        return stored

    def tally(self) -> None:
        """Nothing is counted here."""

    def forget(self) -> None:
        """Nothing was noted."""


def _mark(sent: Sent, record: Consumed) -> RowMark:
    customer = (record.key or b"").decode("utf-8", errors="replace")
    return RowMark(sent.hash, sent.run, customer="" if customer == sent.key else customer)
