"""Workers that know nothing of each other keep the organisation's limit together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.delivery.pacing import RateLimit
from bridge.delivery.rate_share import Share

groups = st.integers(1, 24).flatmap(
    lambda partitions: st.lists(st.integers(0, partitions), min_size=0, max_size=5).map(
        lambda cuts: (partitions, [b - a for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), partitions], strict=True)])
    )
)


@given(groups)
def test_the_parts_of_a_group_come_to_one(group):
    """However the partitions are spread: all workers that have any come to exactly 1, and none has nothing."""
    partitions, owned = group
    shares = [Share("auto", lambda n=n: n, lambda: partitions)() for n in owned]
    assert abs(sum(share for share, n in zip(shares, owned, strict=True) if n) - 1.0) < 1e-9
    assert all(0 < share <= 1 for share in shares)


@given(groups, st.floats(10, 5_000), st.lists(st.tuples(st.integers(0, 5), st.integers(1, 500)), max_size=150))
def test_together_they_keep_the_limit(group, rate, demands):
    """Each sends as soon as its own part allows: over any time all of them send no more than the limit and their bursts."""
    partitions, owned = group
    workers = [(RateLimit(rate), Share("auto", lambda n=n: n, lambda: partitions)) for n in owned if n]
    now, sent, largest = 0.0, 0.0, 0
    for who, units in demands:
        limit, share = workers[who % len(workers)]
        now += limit.wait(now)
        limit.spend(units / share(), now)
        sent += units
        largest = max(largest, units)
        assert sent <= rate * (now + 0.25) + largest * len(workers) + 1e-3


@given(st.integers(1, 50), st.integers(0, 50), st.none() | st.integers(0, 50))
def test_a_number_is_kept_whatever_is_assigned(parts, assigned, partitions):
    """A number in the settings wins over what the group looks like."""
    assert Share(parts, lambda: assigned, lambda: partitions)() == 1 / parts


def test_what_is_not_known_yet_takes_no_more_than_all():
    """Before the topic or the assignment is known the part is between nothing and all of it."""
    assert Share("auto", lambda: 0, lambda: None)() == 1.0
    assert Share("auto", lambda: 0, lambda: 12)() == 1 / 12
    assert Share("auto", lambda: 3, lambda: None)() == 1.0


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(1, 6))
def test_routes_to_one_organisation_keep_its_limits_together(partitions_of_routes, workers):
    """However many workers each of several routes has, the parts of all come to one at most, and to one by partitions."""
    routes = len(partitions_of_routes)
    total = 0.0
    for partitions in partitions_of_routes:
        owned = [len(range(worker, partitions, workers)) for worker in range(workers)]
        total += sum(Share("auto", lambda n=n: n, lambda p=partitions: p, routes)() for n in owned if n)
        assert Share(workers, lambda: 1, lambda p=partitions: p, routes)() * workers == pytest.approx(1 / routes)
    assert total == pytest.approx(1.0)
