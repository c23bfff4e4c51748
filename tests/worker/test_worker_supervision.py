"""What the worker makes of its own parts ending."""

import asyncio
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from aiokafka.errors import ConsumerStoppedError, KafkaConnectionError
from awaiting import until
from structlog.testing import capture_logs
from worker_parts import parts_of

from bridge.model.verdicts import AllAccepted, Misconfigured, Transient, Unauthorized
from bridge.settings import KafkaSettings, Settings
from bridge.telemetry.metrics import Metrics
from bridge.worker.lifetime.worker_stream import WorkerStream
from bridge.worker.stopping import why_unfinished
from bridge.worker.supervision import supervise
from bridge.worker.worker import Worker

_DESTINATION = SimpleNamespace(
    name="double",
    max_request_bytes=1_000_000,
    max_request_events=1_000,
    frame_bytes=10,
    separator_bytes=1,
    encode=lambda _event: b"{}",
)
_APP = SimpleNamespace(crashed=False, consumer=SimpleNamespace(joined=True, topic_partitions=lambda _topic: 1))


class _EndedMeter:
    total = lags = None
    silent = 0.0

    async def run(self):
        """The client it asks is gone."""
        raise ConsumerStoppedError


@pytest.mark.parametrize("stopping", [True, False])
async def test_a_client_that_is_gone_is_an_error_only_while_working(stopping):
    """During a stop the Kafka client goes away before its last user: no alarm. At work it is one, and it ends the worker."""
    worker = Worker(Settings(), parts_of(_DESTINATION), Metrics())
    worker.assembly.stream.app = _APP
    if stopping:
        worker.stop()
    with capture_logs() as logs:
        watching = asyncio.create_task(supervise(worker, _APP, _EndedMeter(), 60.0))
        if stopping:
            await asyncio.sleep(1.2)
        else:
            await until(lambda: worker.end.why)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ([] if stopping else ["internal_error"])
    assert worker.end.why == ("" if stopping else "internal error: ConsumerStoppedError")


class _Lag:
    total, lags, silent, movable = 5, None, 0.0, True

    async def run(self):
        """Lag that stays."""
        await asyncio.Event().wait()


@pytest.mark.parametrize("asked", [True, False])
async def test_a_pause_that_aep_asked_for_is_no_stall(asked):
    """With lag and nothing finished the watchdog ends the worker, but not while AEP's own Retry-After runs."""
    worker = Worker(Settings(worker={"stall_seconds": 1.5}), parts_of(_DESTINATION), Metrics())
    worker.assembly.stream.app = _APP
    if asked:
        worker.delivery.flow_control.throttle.until = worker._clock() + 600
    watching = asyncio.create_task(supervise(worker, _APP, _Lag(), 1.5))
    if asked:
        await asyncio.sleep(4.3)
    else:
        await until(lambda: worker.end.why)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert worker.end.why == ("" if asked else "stalled: no event finished for 1.5 s")


@pytest.mark.parametrize("error", [KafkaConnectionError("Unable to bootstrap"), ConnectionResetError(104, "reset")])
async def test_a_start_without_brokers_is_told_and_goes_on(error):
    """One line a minute with the address and a hint, no traceback; readiness says it until the client has started; the run goes on."""
    now = [0.0]
    stream = WorkerStream(KafkaSettings(), lambda: now[0])
    with capture_logs() as logs:
        stream.start_tried(None)
        for now[0] in (1.0, 30.0, 60.9, 61.0):
            stream.start_tried(error)
        trouble = stream.trouble
        stream.start_tried(None)
        stream.start_tried(None)
    first, second, started = logs
    assert first["log_level"] == second["log_level"] == "warning"
    assert first["event"] == second["event"] == "stream_not_started"
    assert (first["left_out"], second["left_out"]) == (0, 2)
    assert first["why"].startswith("Kafka at localhost:9092 (PLAINTEXT): ")
    assert "BRIDGE_KAFKA__BOOTSTRAP_SERVERS" in first["hint"]
    assert "exc_info" not in first
    assert trouble == f"the stream cannot start: {first['why']}"
    assert (started["event"], started["log_level"], stream.trouble) == ("stream_started", "info", "")


@pytest.mark.parametrize(("fails", "why"), [(True, "the stream did not start: ValueError"), (False, "")])
async def test_whatever_else_keeps_the_stream_from_starting_ends_the_run(fails, why):
    """By its type alone: what a library says may hold what no line may."""

    async def start():
        if fails:
            raise ValueError("any")

    worker = Worker(Settings(), parts_of(_DESTINATION), Metrics())
    worker.assembly.stream.app = SimpleNamespace(start=start)
    await worker.assembly.stream.start(worker.end)
    assert (worker.stopping, worker.end.why) == (fails, why)


async def test_a_stop_that_leaves_work_says_why():
    """Refused credentials, an outage, a topic that cannot be written: not "the budget", which was never used."""
    worker = Worker(Settings(), parts_of(_DESTINATION), Metrics())
    assert why_unfinished(worker.assembly.drain) == "the drain budget is used up"
    worker.delivery.flow_control.note(Unauthorized("invalid client_secret"), 0.0, seconds=0.1, under_way=1)
    assert why_unfinished(worker.assembly.drain) == "invalid client_secret"
    worker.letters.writable = False
    assert why_unfinished(worker.assembly.drain) == "the dead-letter topic cannot be written"


async def test_an_error_in_a_task_of_its_own_ends_the_worker():
    """Without its watchdog a worker would look well for ever; told to stop or cancelled, its tasks may end as they like."""

    async def fails():
        raise ValueError("any")

    for stopping, why in ((False, "internal error: ValueError"), (True, "")):
        worker = Worker(Settings(), parts_of(_DESTINATION), Metrics())
        if stopping:
            worker.stop()
        await asyncio.wait([worker.end.begin(fails(), "watchdog")])
        await asyncio.sleep(0)
        assert (worker.stopping, worker.end.why) == (True, why)
    worker = Worker(Settings(), parts_of(_DESTINATION), Metrics())
    task = worker.end.begin(asyncio.sleep(60), "memory")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert not worker.stopping


def _at_work(**parts):
    worker = Worker(Settings(), replace(parts_of(_DESTINATION), **parts), Metrics())
    worker.assembly.stream.app = _APP
    return worker


async def test_nothing_of_a_partition_that_is_given_away_waits_on():
    """Not in delivery, not among the dead letters, and where the route remembers not among what is to be stored."""
    worker, told = _at_work(), []
    worker.assembly.drain = SimpleNamespace(given_away=lambda: told.append("drain"))
    worker.given_away()
    worker.assembly.keeper = SimpleNamespace(forget_closed=lambda: told.append("keeper"))
    worker.given_away()
    assert told == ["drain", "drain", "keeper"]


async def test_the_parent_hears_of_the_first_assignment_at_once():
    """Before any record is mapped: one that ends the process then is no failed start, of which three give the route up."""
    told = []
    worker = Worker(
        Settings(), parts_of(_DESTINATION), Metrics(), member=SimpleNamespace(joined=lambda: told.append("joined"))
    )
    for _ in range(3):
        worker.assigned()
    worker.settled()
    assert told == ["joined"]
    _at_work().assigned()


async def test_at_work_is_said_once_an_assignment():
    """Which partitions, which mapping, for whom; again when the partitions are others, and not before it has any."""
    worker = _at_work(host="dcs.adobedc.net")
    with capture_logs() as logs:
        worker.show(_Lag())
        worker.ledger.open(1, {("moengage.events", 1): None, ("moengage.events", 0): None})
        for _ in range(3):
            worker.show(_Lag())
        worker.ledger.open(2, {("moengage.events", 1): None})
        worker.show(_Lag())
    lines = [line for line in logs if line["event"] == "at_work"]
    assert [line["partitions"] for line in lines] == [[], [0, 1], [1]]
    assert {line["destination"] for line in lines} == {"dcs.adobedc.net"}
    assert {line["mapping"] for line in lines} == {"none (raw events)"}


async def test_a_set_up_that_aep_refuses_is_not_called_credentials():
    """A wrong address is told with the settings to look at; credentials that are refused keep their own name."""
    worker = _at_work(title="AEP", blamed_settings=("BRIDGE_AEP__ENDPOINT", "BRIDGE_AEP__ORG_ID"))
    flow_control = worker.delivery.flow_control
    flow_control.note(Misconfigured("AEP answered 404: no such connection"), 0.0, seconds=0.1, under_way=1)
    told = worker.health.unready()
    assert set(told) == {"settings"}
    assert told["settings"].startswith(
        "AEP refuses this bridge: AEP answered 404: no such connection; check BRIDGE_AEP__ENDPOINT, BRIDGE_AEP__ORG_ID"
    )
    flow_control.note(Unauthorized("AEP answered 403"), 1.0, seconds=0.1, under_way=1)
    assert worker.health.unready() == {"credentials": "AEP answered 403"}
    flow_control.note(AllAccepted(), 2.0, seconds=0.1, under_way=1)
    assert worker.health.unready() == {}


async def test_a_destination_that_nobody_waits_for_is_no_trouble():
    """A worker whose partitions went elsewhere while AEP was away has nothing to ask with: it is ready, until something waits."""
    worker = _at_work()
    for _ in range(5):
        worker.delivery.flow_control.note(Transient("AEP answered 503"), worker._clock(), seconds=0.1, under_way=1)
    assert set(worker.health.unready()) == {"destination"}, "while it is not known whether anything waits"
    worker.assembly.stream.lag = SimpleNamespace(total=7)
    assert set(worker.health.unready()) == {"destination"}
    worker.assembly.stream.lag = SimpleNamespace(total=0)
    assert worker.health.unready() == {}
    worker.ledger.open(1, {("moengage.events", 0): None})
    record = SimpleNamespace(value=b"{}", key=None, timestamp=0, offset=0, headers=())
    worker.ledger.register_chunk(("moengage.events", 0), 1, [record], 10, first=0, last=0)
    assert set(worker.health.unready()) == {"destination"}


async def test_the_report_tells_answer_mapping_and_what_is_known():
    """Before the first answer nothing is claimed of AEP; then its words and when it is asked again."""
    worker = _at_work()
    first = worker.report()
    assert (first.role, first.lag_known, first.destination.good, first.destination.since) == (
        "worker",
        False,
        None,
        None,
    )
    now, before = worker._clock(), time.time()
    for _ in range(5):
        worker.delivery.flow_control.note(Transient("AEP answered 503"), now, seconds=0.1, under_way=1)
    told = worker.report().destination
    assert (told.good, told.answer) == (False, "AEP answered 503")
    # A wall clock and one that only goes forward are read one after the other.
    assert before - 1 <= told.since <= time.time() + 1
    assert told.next_try.startswith("next try")
    worker.assembly.stream.lag = SimpleNamespace(lags={})
    assert worker.report().lag_known
    worker.assembly.stream.app = None
    left = worker.report()
    assert (left.joined, left.partitions, left.lag_known) == (False, None, False), "nothing asked is nothing known"


async def test_vitals_say_held_for_each_reason_that_is_told_elsewhere():
    """Destination away, a pause, a dead-letter topic that cannot be written; otherwise not, and the rest is counted."""
    worker = _at_work()
    lag = _Lag()
    assert not worker.vitals(lag).held
    worker.letters.writable = False
    assert worker.vitals(lag).held
    worker.letters.writable = True
    worker.delivery.flow_control.throttle.until = worker._clock() + 60
    assert worker.vitals(lag).held
    worker.delivery.flow_control.throttle.until = 0.0
    worker.delivery.flow_control.note(Unauthorized("no"), 0.0, seconds=0.1, under_way=1)
    assert worker.vitals(lag).held
    worker.delivery.answers, lag.silent = 7, 3.5
    vitals = worker.vitals(lag)
    assert (vitals.lag, vitals.answers, vitals.silent, vitals.joined, vitals.lost) == (True, 7, 3.5, True, "")
