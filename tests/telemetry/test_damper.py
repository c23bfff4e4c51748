"""The damper: whatever is logged and whenever, nothing is lost from the count and nothing shown too often."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bridge.telemetry.damper import Damper

_STEPS = st.lists(st.tuples(st.floats(0, 15), st.sampled_from("abc")), max_size=80)


@given(_STEPS)
def test_each_message_is_shown_at_most_once_in_its_time_and_all_are_counted(steps):
    """The first is shown at once; then none within ten seconds of the last shown, any after it, and the counts add up."""
    now = [0.0]
    damper = Damper(10, lambda: now[0])
    last, waiting = {}, Counter()
    for seconds, message in steps:
        now[0] += seconds
        left_out = damper.suppressed_since(message)
        due = message not in last or now[0] - last[message] >= 10
        assert (left_out is not None) == due
        if due:
            assert left_out == waiting.pop(message, 0)
            last[message] = now[0]
        else:
            waiting[message] += 1


@given(st.lists(st.integers(0, 20), max_size=200))
def test_memory_is_bounded_and_what_was_just_shown_stays_damped(messages):
    """However many templates there are, so many are remembered, the latest among them."""
    damper = Damper(10, lambda: 0.0, most=4)
    for message in messages:
        damper.suppressed_since(message)
        assert len(damper._shown) <= 4
        assert damper.suppressed_since(message) is None
