"""The partition of a key: every producer of the topic must come to the same, or a customer's events would lose their order."""

import aiokafka.partitioner
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.kafka.producer.key_hash import murmur2, partition_of


@given(st.binary(max_size=70))
def test_every_key_has_the_hash_of_the_client(key: bytes) -> None:
    """Byte by byte or word by word."""
    assert murmur2(key) == aiokafka.partitioner.murmur2(key) & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_values_of_kafkas_own_tests(key: bytes, expected: int) -> None:
    """UtilsTest.testMurmur2 of Apache Kafka; signed there."""
    assert murmur2(key) == expected & 0xFFFFFFFF
    assert partition_of(key, 6) == (expected & 0x7FFFFFFF) % 6


def test_the_next_event_of_a_customer_costs_no_hash() -> None:
    """The partition of a key is remembered, also after thousands of other customers."""
    partition_of.cache_clear()
    for _ in range(2):
        for number in range(2_000):
            partition_of(b"customer-%d" % number, 6)
    assert partition_of.cache_info().misses == 2_000
