"""The hash that decides a key's partition, as Kafka's own producers have it (murmur2), a word at a time.

aiokafka's goes byte by byte, and takes longer than all else that the receiver does to write a record. Both agree on every key.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Final

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF
_REMEMBERED: Final = 4_096
_words = Struct("<I").iter_unpack


@lru_cache(maxsize=_REMEMBERED)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition, of all of the topic, that events of this key go to. A customer's events come together."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(key: bytes) -> int:
    """32 bits of Austin Appleby's MurmurHash2 with Kafka's seed."""
    length = len(key)
    whole = length & ~3
    mixed = _SEED ^ length
    for (word,) in _words(key[:whole]):
        word = word * _MIX & _WORD  # noqa: PLW2901 - step by step, as it is defined
        mixed = mixed * _MIX & _WORD ^ (word ^ word >> 24) * _MIX & _WORD
    if length != whole:
        mixed = (mixed ^ int.from_bytes(key[whole:], "little")) * _MIX & _WORD
    mixed = (mixed ^ mixed >> 13) * _MIX & _WORD
    return mixed ^ mixed >> 15
