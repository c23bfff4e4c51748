"""What waits to be sent, without a loop: what has not been tried yet, and what waits for its time."""

import pytest

from bridge.delivery.batching import Batch, Batcher, RequestLimits, append_run
from bridge.delivery.ordering import KeyedBatcher
from bridge.delivery.waiting import ByLane, Shipment, Unordered

LIMITS = RequestLimits(1_000, 50, 10, 1, 0.1)


def _batch(*items):
    batch = Batch(0, 10, 0.0)
    for number, item in enumerate(items):
        batch.items.append(item)
        append_run(batch.runs, "owner", number)
    return batch


@pytest.mark.parametrize("waiting", [Unordered(Batcher(LIMITS)), ByLane(KeyedBatcher(LIMITS, 1))])
def test_what_has_not_been_tried_may_leave_at_once(waiting):
    """The rest of a batch of which a single event was taken as a probe: whatever the clock says, also on a machine just started."""
    rest = Shipment(_batch(b"b", b"c"))
    waiting.put_back([rest])
    assert waiting.due(0.0) == 0.0
    assert len(waiting) == 2
    assert waiting.next(0.0) is rest
    assert len(waiting) == 0


def test_what_failed_waits_for_its_time():
    """And lets what is new pass meanwhile."""
    waiting = Unordered(Batcher(LIMITS))
    waiting.put_back([Shipment(_batch(b"a"), due=5.0, tries=1)])
    assert waiting.next(4.9) is None
    assert waiting.due(4.0) == 1.0
    assert waiting.next(5.0).batch.items == [b"a"]
    assert waiting.due(5.0) is None
