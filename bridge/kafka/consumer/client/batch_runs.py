"""Several batches in what a broker gives: what lies behind a mended one, and one that the broker finds only with what lies before it.

Brokers go from one batch to the next by the lengths that are stored, and from the entries of their index. Behind a damaged length
they find nothing up to the next entry. Pure.
"""

from __future__ import annotations

from aiokafka.record.util import calc_crc32c

from bridge.kafka.consumer.client.stored_batch import CHECKED_FROM, HEADER, MAGIC, StoredBatch, head_at, read_batch


def read_on(raw: bytes, offset: int, *, most: int) -> StoredBatch | None:
    """As :func:`read_batch`, and where that batch is ``mended`` with what follows it in ``raw`` and is sound, about ``most`` records.

    A broker that is asked for what follows by its offset may not find it. None also for a mended batch of a transaction.
    """
    found = read_batch(raw, offset)
    if found is None or not found.mended:
        return found
    if not found.plain:
        return None  # it may belong to a transaction that was aborted
    records, end, at = list(found.records), found.end, found.size
    while len(records) < most:
        head = head_at(raw, at)
        if head is None or head.base != end or (following := read_batch(raw[at:], end)) is None or not following.plain:
            break
        records += following.records
        end, at = following.end, at + following.size
    return StoredBatch(tuple(records), end, at, mended=True)


def read_behind(raw: bytes, offset: int, *, most: int) -> StoredBatch | None:
    """As :func:`read_on` of the batch that begins with ``offset``, behind sound ones in ``raw``; None where it is not ``mended``.

    Brokers that look for a batch by its offset go from one to the next by the lengths that these have.
    """
    at = 0
    while (head := head_at(raw, at)) is not None and head.base < offset:
        size = max(head.size, HEADER.size)
        if head.magic != MAGIC or calc_crc32c(raw[at + CHECKED_FROM : at + size]) != head.crc or head.end > offset:
            return None
        at += size
    found = read_on(raw[at:], offset, most=most) if head is not None and head.base == offset else None
    return found if found is not None and found.mended else None
