"""Which pattern a number of date texts have in common."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.mapping.lint.date_texts import date_pattern, epoch_unit, is_ambiguous
from bridge.mapping.values.dates.conversion import parse_date, parser


@pytest.mark.parametrize(
    ("texts", "pattern", "ambiguous"),
    [
        (["03/11/2019", "13/11/2019"], "dd/MM/yyyy", False),
        (["03/11/2019", "11/25/2019"], "MM/dd/yyyy", False),
        (["3/1/2019", "13/11/2019"], "d/M/yyyy", False),
        (["03/11/2019"], "MM/dd/yyyy", True),
        (["11/11/2019"], "MM/dd/yyyy", False),
        (["03.11.2019 14:20"], "dd.MM.yyyy HH:mm", False),
        (["13/11/2019T14:20:30"], "dd/MM/yyyy'T'HH:mm:ss", False),
        (["2019-11-03"], None, False),
        (["03/11/2019", "2019-11-03"], None, True),
        (["3 Nov 2020", "13 Dec 2021"], "d MMM yyyy", False),
    ],
)
def test_the_pattern_is_that_of_all_texts(texts, pattern, ambiguous):
    """One text beyond 12 decides for all; without one, a slash leaves it open and a dot does not."""
    assert date_pattern(texts) == (pattern, ambiguous)


@pytest.mark.parametrize("texts", [[], ["hello"], ["13/01/2019", "01/13/2019"], ["1731421200"]])
def test_texts_without_a_common_pattern_have_none(texts):
    """No dates, both orders at once, or two forms."""
    assert date_pattern(texts) is None


@given(
    st.lists(st.dates(), min_size=1),
    st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y-%m-%d", "%d-%m-%Y %H:%M"]),
)
def test_a_certain_pattern_reads_every_text_as_it_was_written(days, form):
    """Where the pattern is not in doubt, each text is read as the day that it was made of."""
    days = [day for day in days if day.year > 1000]
    texts = [day.strftime(form) for day in days]
    found = date_pattern(texts)
    if not texts or (found is not None and found.ambiguous):
        assert not texts or any(map(is_ambiguous, texts))
        return
    assert found is not None
    read = parse_date if found.pattern is None else parser(found.pattern)
    if any(day.day > 12 for day in days) or form not in {"%d/%m/%Y", "%d-%m-%Y %H:%M", "%m/%d/%Y"}:
        assert [read(text).date() for text in texts] == days


def test_the_unit_of_an_epoch():
    """Seconds and milliseconds of our time are told apart; anything else is no instant."""
    assert epoch_unit([1731421200, 0x7FFFFFFF]) == "seconds"
    assert epoch_unit([1731421200000]) == "milliseconds"
    assert epoch_unit([1731421200, 1731421200000]) is None
    assert epoch_unit([]) is None
