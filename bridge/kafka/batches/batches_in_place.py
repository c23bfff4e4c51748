"""Batches of a fetch where they stand, and their records in order: what the client's parser would skip without a word is an error here.

No checksum covers a batch's offset, and nobody but its producer has looked at the offsets of its records.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import chain, islice, takewhile
from typing import TYPE_CHECKING, Any

from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ALL = 1_000_000
"""More batches than one fetch can bring."""
_RUN = 1_000
"""Records of a batch that are looked at together."""


class BatchesInPlace:
    """The batches of one fetch from offset ``position`` on. A batch that overlaps its neighbours raises ``CorruptRecordException``.

    The parser would skip, without a word, a batch whose damaged offset seems to be read already, and all that follows one whose
    offset seems to lie further on. ``ends``: the ends of what the broker gives and of what it has stored, as far as they are known.
    ``midst``: whether the position may lie in the midst of a batch. ``reached`` is where the last one ends that was given.

    ``gaps``: ranges of offsets (from, to before) of which no batch came. Compaction leaves them, and a broker that does not find
    a batch whose offset is damaged. Transactions leave none, as their markers are batches too.
    """

    def __init__(self, batches: Any, position: int, *ends: int | None, midst: bool) -> None:
        self._batches = batches
        self.reached = position
        self._ends = [end for end in ends if end is not None]
        self._ahead: deque[Any] = deque()
        self._broken: Exception | None = None
        self._first = True
        self._midst = midst
        self.gaps: list[tuple[int, int]] = []

    def has_next(self) -> bool:
        """Whether there is another. One further on that nothing bears out is left to the next fetch, whose first it is, with those behind it.

        There it is believed in any case: the last of a segment is alone in its fetch.
        """
        if not self._looked_at(1):
            return self._broken is not None
        self._looked_at(2)
        return self._first or not self._is_without_witness()

    def next_batch(self) -> Any:
        """The next one, as the parser asks for it."""
        if self._first:
            self._leave_out_passed()
        if self._broken is not None and not self._ahead:
            raise self._broken
        batch = self._ahead[0]
        # Of older formats a batch is one record, or has the offset of its last.
        if isinstance(batch, DefaultRecordBatch):
            if not self._is_in_place(batch):
                raise CorruptRecordException("the offset of a batch is not where it stands")
            if batch.base_offset > self.reached:
                self.gaps.append((self.reached, batch.base_offset))
            self.reached = batch.next_offset
            batch = batch if batch.is_control_batch else BatchInOrder(batch, whole=self._overlaps())
        self._ahead.popleft()
        self._first = False
        return batch

    def _looked_at(self, count: int) -> bool:
        """Read so many batches ahead; whether that many are there. One that is none is an error once those before it are read."""
        while len(self._ahead) < count and self._broken is None and self._batches.has_next():
            try:
                self._ahead.append(self._batches.next_batch())
            except CorruptRecordException as error:
                self._broken = error
        return len(self._ahead) >= count

    def _is_in_place(self, batch: Any) -> bool:
        base, end = batch.base_offset, batch.next_offset
        if not 0 <= base < end or end <= self.reached or end > max(self._ends, default=math.inf):
            return False
        # One that begins just where reading goes on needs no other witness.
        if base == self.reached:
            return True
        if base < self.reached and not (self._first and self._midst):
            return False
        return not self._overlaps()

    def _overlaps(self) -> bool:
        """Whether the batch seems to reach into the one behind it."""
        batch, following = self._ahead[0], self._ahead[1] if self._looked_at(2) else None
        return isinstance(following, DefaultRecordBatch) and batch.next_offset > following.base_offset

    def _is_without_witness(self) -> bool:
        """Whether offsets are missing in front of the batch, and nothing shows whether it is its own offset that is wrong."""
        batch = self._ahead[0]
        return (
            isinstance(batch, DefaultRecordBatch)
            and batch.base_offset > self.reached
            and len(self._ahead) == 1
            and bool(self._ends)
            and batch.next_offset < max(self._ends)
            and batch.next_offset not in self._ends
        )

    def _leave_out_passed(self) -> None:
        """Leave out what was passed already: the broker gives it first when its damaged offset seems to lie further on."""
        if not self._ahead or not isinstance(batch := self._ahead[0], DefaultRecordBatch):
            return
        if batch.base_offset <= self.reached < batch.next_offset and not self._overlaps():
            return
        self._looked_at(_ALL)
        spans = [
            (each.base_offset, each.next_offset)
            for each in takewhile(lambda each: isinstance(each, DefaultRecordBatch), self._ahead)
        ]
        for _ in range(passed_before(spans, self.reached)):
            self._ahead.popleft()


def passed_before(spans: Sequence[tuple[int, int]], position: int) -> int:
    """How many of the first batches (from, to before) lie before the one that has ``position``; 0 where that is not certain.

    It is certain of one that begins there, and of one beside which another stands just where it should.
    """
    base, end = spans[0]
    if base == position or (base <= position < end and (len(spans) == 1 or end <= spans[1][0])):
        return 0
    for at, (base, end) in enumerate(spans[1:], 1):
        if base <= position < end and (
            base == position
            or (at > 1 and spans[at - 1][1] == base)
            or (at + 1 < len(spans) and spans[at + 1][0] == end)
        ):
            return at
    return 0


class BatchInOrder:
    """A batch of which every record has an offset of its own, within the batch and behind the one before; else it is an error there.

    The parser skips records that seem to be read already. A producer that gives all records of a batch one offset has them stored:
    brokers count the records only. ``whole``: there has to be one at its last offset, as its number of offsets is in doubt.
    """

    def __init__(self, batch: Any, *, whole: bool = False) -> None:
        self._batch = batch
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self._runs())

    def _runs(self) -> Iterator[list[Any]]:
        """The records by runs: a batch may have more of them than there is memory for at once."""
        # The batch itself refuses to be gone on with.
        records = chain(self._batch)
        reached, end = self._batch.base_offset, self._batch.next_offset
        found, error = _RUN, None
        while found == _RUN and error is None:
            run: list[Any] = []
            try:
                # What was read before an error stays in the list.
                run.extend(islice(records, _RUN))
            except Exception as failure:  # noqa: BLE001 - parsing foreign bytes: it is raised behind what was read
                error = failure
            found = len(run)
            offsets = [record.offset for record in run]
            if offsets != list(range(reached, reached + found)) or reached + found > end:
                del run[_in_order(offsets, reached, end) :]
            if len(run) < found:
                error = CorruptRecordException("the offset of a record is not where it stands")
            reached = run[-1].offset + 1 if run else reached
            yield run
        if error is None and self._whole and reached != end:
            error = CorruptRecordException("the batch seems to reach into the one behind it")
        if error is not None:
            raise error


def _in_order(offsets: Sequence[int], reached: int, end: int) -> int:
    """How many of the first offsets lie each behind the one before and before ``end``."""
    for count, offset in enumerate(offsets):
        if not reached <= offset < end:
            return count
        reached = offset + 1
    return len(offsets)
