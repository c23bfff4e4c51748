"""A record that is to be written to a topic: the neutral form that the receiver makes and the publisher takes."""

from __future__ import annotations

from collections.abc import Sequence

Record = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]
"""Key, value, headers. Without a value a compacted topic forgets the key. A header may be null: others write to the topic too, and
what they wrote is kept."""
_HEADER_LENGTHS = 8
"""Bytes for the two lengths of a header: names up to 1 MB, values up to 2 GB."""


def record_bytes(record: Record) -> int:
    """What a record weighs at most: key, value and headers with their lengths."""
    key, value, headers = record
    size = len(value or b"") + len(key or b"")
    if not headers:
        return size
    # A name's characters may be several bytes each.
    return size + sum(len(name.encode()) + len(text or b"") + _HEADER_LENGTHS for name, text in headers)
