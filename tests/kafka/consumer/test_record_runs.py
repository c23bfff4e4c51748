"""What is fetched is cut into runs that lose nothing and stay bounded."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from bridge.kafka.consumer.record_runs import MAX_BYTES, MAX_RECORDS, RECORD_BYTES, record_runs


@dataclass(frozen=True)
class Row:
    """What is read of a record."""

    key: bytes | None
    value: bytes | None


sizes = st.sampled_from([None, 0, 1_200, 90_000, 400_000, 999_900, 1_100_000])
rows = st.lists(
    st.tuples(st.sampled_from([None, 16]), sizes, st.integers(1, 400)), max_size=12
)  # key, value, how often in a row


@given(rows)
def test_runs_are_bounded_and_in_order(shapes):
    """Every record is in one run, in its place; a run exceeds its bounds only where one record does."""
    made = [
        Row(None if key is None else bytes(key), None if size is None else bytes(size))
        for key, size, times in shapes
        for _ in range(times if (size or 0) < 10_000 else min(times, 5))
    ]
    runs = list(record_runs(made))
    assert [row for run, _ in runs for row in run] == made
    for run, weight in runs:
        assert 1 <= len(run) <= MAX_RECORDS
        assert weight == sum(len(row.value or b"") + len(row.key or b"") + RECORD_BYTES for row in run)
        assert weight <= MAX_BYTES or len(run) == 1


def test_a_run_may_be_as_large_as_its_bound():
    """Two records that fill it to the byte stay together; with one byte more they part."""
    half = MAX_BYTES // 2 - RECORD_BYTES
    assert [weight for _, weight in record_runs([Row(None, bytes(half)), Row(None, bytes(half))])] == [MAX_BYTES]
    assert len(list(record_runs([Row(None, bytes(half)), Row(None, bytes(half + 1))]))) == 2
