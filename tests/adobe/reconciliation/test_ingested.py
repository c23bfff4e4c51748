"""What AEP has ingested and failed by day, by whatever names Catalog gives the counts."""

import pytest

from bridge.adobe.reconciliation.ingested import IngestedDay, ingested_in

DAY_MS = 86_400_000
DAY = 20_000


def _read(*batches, since=0):
    found = {str(number): {"created": DAY * DAY_MS, "status": "success", **one} for number, one in enumerate(batches)}
    return ingested_in(found, since=since)


@pytest.mark.parametrize(
    "counts",
    [
        {"failedRecordCount": 2, "recordCount": 9},
        {"metrics": {"failedRecordCount": 2, "inputRecordCount": 9, "outputRecordCount": 7}},
        {"metrics": {"recordsFailed": 2, "recordsRead": 9, "recordsWritten": 7}},
        {"metrics": {"recordsSize": 9, "invalidRecordCount": 2}},
    ],
    ids=["top level", "documented", "lake", "streaming"],
)
def test_a_batch_counts_what_it_holds_and_what_it_refused(counts):
    """Also one that succeeded in part."""
    found = _read(counts)
    assert found.days == {DAY: IngestedDay(7, 2)}
    assert (found.records, found.failed_batches) == (9, {"0": (DAY * DAY_MS, 2)})


def test_days_are_those_of_the_batches_and_earlier_ones_are_left_out():
    """By the time at which they were made."""
    found = _read(
        {"recordCount": 1, "failedRecordCount": 0},
        {"recordCount": 2, "failedRecordCount": 0, "created": (DAY + 1) * DAY_MS},
        {"recordCount": 4, "failedRecordCount": 0, "created": DAY * DAY_MS - 1},
        since=DAY * DAY_MS,
    )
    assert found.days == {DAY: IngestedDay(1), DAY + 1: IngestedDay(2)}


@pytest.mark.parametrize("counts", [{"recordCount": 5}, {"recordCount": 5, "failedRecordCount": 5}])
def test_of_a_failed_batch_every_record_failed(counts):
    """Where Catalog gives no count of failed ones, all of its records are."""
    assert _read({"status": "failed", **counts}).days == {DAY: IngestedDay(0, 5)}


def test_a_compacted_batch_counts_once():
    """Its successor holds its good records; the failed ones stay its own."""
    found = _read(
        {"status": "inactive", "recordCount": 5, "failedRecordCount": 1, "tags": {"acp_successor": ["1"]}},
        {"recordCount": 4, "failedRecordCount": 0, "replay": {"predecessors": ["0"]}},
    )
    assert found.days == {DAY: IngestedDay(4, 1)}


def test_a_batch_whose_successor_is_not_listed_counts_itself():
    """Else its records would be nowhere."""
    assert _read({"recordCount": 5, "failedRecordCount": 0, "tags": {"acp_successor": "gone"}}).records == 5


def test_what_is_under_way_or_has_no_counts_is_told():
    """Nothing can be added up with them."""
    found = _read({"status": "processing", "recordCount": 5}, {}, {"failedRecordCount": 1})
    assert (found.under_way, found.untold, found.days) == (1, ["1", "2"], {DAY: IngestedDay(0, 1)})
