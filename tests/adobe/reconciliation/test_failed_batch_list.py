"""Which batches hold failed records, by whatever names Catalog gives the counts."""

from __future__ import annotations

import pytest

from bridge.adobe.reconciliation.failed_batch import batches_in, failed_count


def _read(*batches, until=1_000):
    return batches_in({str(number): {"created": 10, **one} for number, one in enumerate(batches)}, until=until)


@pytest.mark.parametrize(
    "counts",
    [
        {"failedRecordCount": 2, "recordCount": 9},
        {"metrics": {"failedRecordCount": 2, "inputRecordCount": 9}},
        {"metrics": {"recordsFailed": 2, "recordsRead": 9, "recordsWritten": 7}},
    ],
    ids=["top level", "documented", "lake"],
)
@pytest.mark.parametrize("status", ["failed", "failure", "success", "inactive", "Failed"])
def test_a_batch_with_failed_records_is_read_whatever_its_status(counts, status):
    """A batch that succeeded in part, or was replaced by compaction, holds failed records too."""
    (found,) = _read({"status": status, **counts}).to_read
    assert (found.failed, found.records) == (2, 9)


def test_streaming_counts_are_read():
    """The names that Adobe's own client sees of streaming batches."""
    assert failed_count({"metrics": {"recordsSize": 9, "invalidRecordCount": 3}}) == 3


def test_a_batch_without_counts_is_looked_into():
    """Nothing says that it holds no failed records."""
    assert [one.failed for one in _read({"status": "success"}, {"status": "success", "metrics": None}).to_read] == [
        None
    ] * 2


def test_a_batch_whose_records_all_passed_is_not():
    """Its count is zero."""
    assert not _read({"status": "success", "failedRecordCount": 0}).to_read


def test_a_failed_batch_with_a_count_of_zero_is_looked_into():
    """The status says that something failed."""
    assert len(_read({"status": "failed", "failedRecordCount": 0}).to_read) == 1


@pytest.mark.parametrize("status", ["processing", "queued", "retrying", "stalled", "loading", "staging"])
def test_a_batch_under_way_is_counted_and_not_read(status):
    """Its files may still grow."""
    found = _read({"status": status, "failedRecordCount": 2})
    assert (found.to_read, found.under_way) == ([], 1)


def test_the_oldest_comes_first_and_the_end_is_left_out():
    """In order of creation; a batch created at the end of the period belongs to the next one."""
    found = _read({"created": 30, "updated": 44}, {"created": 20, "completed": 25}, {"created": 50}, until=50).to_read
    assert [(one.created, one.finished) for one in found] == [(20, 25), (30, 44)]


def test_odd_counts_are_none():
    """A count that is no number is as if it were absent."""
    assert failed_count({"failedRecordCount": "2", "metrics": {"recordsFailed": True}}) is None
