"""A record that is to be written to a topic: the neutral form that the receiver makes and the publisher takes."""

from __future__ import annotations

from collections.abc import Sequence

Record = tuple[bytes | None, bytes, Sequence[tuple[str, bytes | None]]]
"""Key, value, headers. A header may be null: others write to the topic too, and what they wrote is kept."""


def record_bytes(record: Record) -> int:
    """What a record weighs: key, value and headers."""
    key, value, headers = record
    size = len(value) + len(key or b"")
    return size + sum(len(name) + len(text or b"") + 4 for name, text in headers) if headers else size
