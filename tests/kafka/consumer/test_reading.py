"""What is told of an open transaction, and how often the same place is logged."""

import pytest
from structlog.testing import capture_logs

from bridge.kafka.consumer.client.fetching import Expired, Unreadable
from bridge.kafka.consumer.client.kafka_client import Offsets
from bridge.kafka.consumer.reading import Reading
from bridge.telemetry.metrics import Metrics

P0 = ("t", 0)


class _Told:
    def __init__(self):
        self.now = 0.0
        self.metrics = Metrics()
        self.reading = Reading(self.metrics, lambda: self.now)

    def survey(self, now, *, end=5, position=5, watermark=8):
        self.now = float(now)
        self.reading.surveyed({P0: Offsets(0, 0, end, position, watermark)})
        return self.metrics.registry.get_sample_value("bridge_open_transaction_seconds", {"partition": "0"})


def test_an_open_transaction_is_told_after_ten_seconds_and_taken_back():
    """It holds everything behind it; when it ends, or what is stable moves on, nothing is told any more."""
    told = _Told()
    with capture_logs() as lines:
        assert told.survey(0) is None
        assert told.survey(9) is None
        assert told.reading.transactions == ""
        assert told.survey(10) == 10
        assert told.survey(25) == 25
    assert [(line["log_level"], line["partition"], line["offset"]) for line in lines] == [("warning", 0, 5)]
    assert told.reading.transactions == "topic t partition 0 waits at offset 5 for an open transaction"
    assert told.survey(26, end=7, position=7) is None
    assert told.reading.transactions == ""
    assert told.survey(35, end=7, position=7) is None
    assert told.survey(36, end=7, position=7) == 10
    told.reading.assigned(0)
    assert told.reading.transactions == ""


@pytest.mark.parametrize("where", [{"watermark": 5}, {"watermark": None}, {"position": 3}, {"position": None}])
def test_what_waits_for_something_else_is_no_open_transaction(where):
    """Nothing is behind the stable end, it is not known, or what is before it is not read yet."""
    told = _Told()
    for now in (0, 30):
        assert told.survey(now, **where) is None
    assert told.reading.transactions == ""


def test_a_place_is_logged_once_and_again_after_five_minutes_or_when_it_moves():
    """A line a try would drown the log."""
    told = _Told()
    with capture_logs() as lines:
        for now in range(0, 601, 10):
            told.now = float(now)
            told.reading.unreadable({P0: Unreadable(P0, 4, "CorruptRecordException", 2)})
        told.reading.unreadable({P0: Unreadable(P0, 9, "CorruptRecordException", 1)})
        told.reading.unreadable({})
    assert [line.get("offset") for line in lines] == [4, 4, 4, 9, None]


def test_only_some_places_are_told_in_words():
    """Hundreds of partitions on one broken disk make no page of text; the metric has them all."""
    told = _Told()
    places = {("t", number): Unreadable(("t", number), 0, "CorruptRecordException", 2) for number in range(7)}
    told.reading.unreadable(places)
    assert told.reading.trouble.endswith("; and 2 more")
    assert told.reading.trouble.count("cannot be read") == 5
    values = [
        told.metrics.registry.get_sample_value("bridge_unreadable_partitions", {"partition": str(number)})
        for number in range(7)
    ]
    assert values == [1.0] * 7


@pytest.mark.parametrize(("count", "more"), [(5, ""), (6, "; and 1 more"), (7, "; and 2 more")])
def test_five_are_told_in_words_and_the_others_counted(count, more):
    """Of what cannot be read, and of open transactions alike."""
    told = _Told()
    partitions = [("t", number) for number in range(count)]
    told.reading.unreadable({each: Unreadable(each, 0, "CorruptRecordException", 2) for each in partitions})
    for told.now in (0.0, 10.0):
        told.reading.surveyed(dict.fromkeys(partitions, Offsets(0, 0, 5, 5, 8)))
    for words, each in ((told.reading.trouble, "cannot be read at"), (told.reading.transactions, "waits at offset 5")):
        assert words.count(each) == 5
        assert words.partition("partition 4 ")[2].partition(";")[1:] == (more[:1], more[1:])


def test_a_place_that_could_be_read_meanwhile_is_told_at_once_when_it_fails_again():
    """It is another failure, however soon it comes."""
    told = _Told()
    place = {P0: Unreadable(P0, 0, "CorruptRecordException", 1)}
    with capture_logs() as lines:
        for places in (place, {}, place):
            told.reading.unreadable(places)
            gauge = told.metrics.registry.get_sample_value("bridge_unreadable_partitions", {"partition": "0"})
            assert gauge == (1 if places else None)
    assert [line["log_level"] for line in lines] == ["error", "info", "error"]


def test_a_transaction_is_open_from_when_it_holds_something():
    """However long the partition had nothing behind its stable end before."""
    told = _Told()
    assert told.survey(0, watermark=5) is None
    assert [told.survey(now) for now in (20, 29, 30)] == [None, None, 10]


def test_what_was_deleted_unread_is_counted_from_its_first_to_its_last():
    """By partition."""
    told = _Told()
    told.reading.expired(Expired(P0, 4, 10))
    assert told.metrics.registry.get_sample_value("bridge_expired_records_total", {"partition": "0"}) == 6
