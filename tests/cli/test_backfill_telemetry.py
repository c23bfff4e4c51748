"""What is told of a backfill that watches: when it is overdue, when its last look failed, and when it is well again."""

from bridge.cli.backfill_telemetry import BackfillTelemetry
from bridge.model.errors import BridgeError
from bridge.routes.backfilling import AddressAccount
from bridge.sources.moengage.export_filling import Tally


class Clock:
    """Seconds that a test sets."""

    now = 0.0


def figure(seen: BackfillTelemetry, name: str) -> float:
    """A metric of the route."""
    return seen.metrics.registry.get_sample_value(name, {"route": "crm"})


def test_overdue_without_a_look() -> None:
    """From its interval on the figure grows; five minutes later it is not ready; a look, or a line that is read, ends both."""
    clock = Clock()
    seen = BackfillTelemetry("crm", 900, clock=lambda: clock.now)
    clock.now = 900
    assert figure(seen, "bridge_backfill_overdue_seconds") == 0
    clock.now = 1_200
    assert figure(seen, "bridge_backfill_overdue_seconds") == 300
    assert not seen.health.unready()
    clock.now = 1_201
    assert seen.health.unready() == {"backfill": "nothing has been read or listed for 1201 s"}
    tally = Tally("s3://a/b", position=5)
    seen.reading(tally)
    assert not seen.health.unready()
    clock.now = 3_000
    seen.reading(tally)
    assert figure(seen, "bridge_backfill_overdue_seconds") == 3_000 - 1_201 - 900
    seen.looked([], None)
    assert figure(seen, "bridge_backfill_overdue_seconds") == 0


def test_a_look_that_failed() -> None:
    """It is not ready with the reason, and overdue goes on; the next look that succeeds ends it. Objects are counted by what they came to."""
    clock = Clock()
    seen = BackfillTelemetry("crm", 60, clock=lambda: clock.now)
    account = AddressAccount("s3://a", read=3, encrypted=1, failed={"s3://a/x": "damaged"})
    seen.looked([account], None)
    assert figure(seen, "bridge_backfill_objects_total") == 3
    assert figure(seen, "bridge_backfill_unread_objects") == 2
    clock.now = 100
    seen.looked([AddressAccount("s3://a", read=1)], BridgeError("access is denied"))
    assert seen.health.unready() == {"backfill": "the last look failed: access is denied"}
    assert figure(seen, "bridge_backfill_objects_total") == 4
    assert figure(seen, "bridge_backfill_unread_objects") == 2
    assert figure(seen, "bridge_backfill_overdue_seconds") == 40
    seen.looked([AddressAccount("s3://a")], None)
    assert not seen.health.unready()
    assert figure(seen, "bridge_backfill_unread_objects") == 0
