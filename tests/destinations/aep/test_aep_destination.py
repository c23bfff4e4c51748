"""The destination against the emulator over loopback HTTP: each fault becomes its outcome, and nothing is raised."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from bridge.destinations.aep.destination import open_destination
from bridge.emulators.adobe import Emulator, Inlet, fingerprint
from bridge.model.verdicts import (
    ACCEPTED,
    AllAccepted,
    Answered,
    Misconfigured,
    Mismatched,
    Rejected,
    Throttled,
    TooLarge,
    Transient,
    Unauthorized,
    Unexplained,
)
from bridge.settings import Settings
from bridge.telemetry.metrics import Metrics


def event(number):
    """A small ExperienceEvent."""
    return {"_id": f"e{number}", "timestamp": "2024-11-12T14:20:00Z", "producedBy": "MOENGAGE"}


def settings_of(emulator, *, secret=None, **aep):
    """Settings that meet this emulator, but for what the test changes."""
    values = {
        "endpoint": emulator.collection_url,
        "org_id": emulator.org_id,
        "schema_id": emulator.schema_id,
        "dataset_id": emulator.dataset_id,
        "flow_id": emulator.flow_id,
        "timeout_seconds": 5,
    }
    oauth = {
        "token_url": emulator.token_url,
        "client_id": emulator.client_id,
        "client_secret": secret or emulator.client_secret,
    }
    return Settings(aep=values | aep, oauth=oauth)


@asynccontextmanager
async def destination_of(emulator, metrics=None, **changes):
    """A destination for this emulator."""
    async with open_destination(settings_of(emulator, **changes), metrics or Metrics()) as destination:
        yield destination


@pytest.fixture
async def emulator():
    """An emulator for one test."""
    async with Emulator() as running:
        yield running


@pytest.fixture
async def destination(emulator):
    """A destination for one test."""
    async with destination_of(emulator) as opened:
        yield opened


async def send(destination, *numbers):
    """One request with these events."""
    return await destination.send([destination.encode(event(number)) for number in numbers])


async def accepted_in_the_end(destination):
    """Whether an event is accepted within ten seconds of trying."""
    for _ in range(100):
        if await send(destination, 1) == AllAccepted():
            return True
        await asyncio.sleep(0.1)
    return False


async def test_events_arrive_as_they_were(emulator, destination):
    """Accepted events are in the emulator, each once, payload equal."""
    assert await send(destination, 1, 2, 3) == AllAccepted()
    assert emulator.received.page(0, 10)["ids"] == [[f"e{n}", 1, fingerprint(event(n))] for n in (1, 2, 3)]


@pytest.mark.parametrize("shape", ["current", "documented"])
async def test_mixed_207_in_both_shapes(emulator, destination, shape):
    """Verdicts belong to the events that the emulator singled out."""
    emulator.control(item_failures={"ids": ["e2"], "shape": shape, "status": 400, "message": "Message is invalid"})
    outcome = await send(destination, 1, 2, 3)
    assert isinstance(outcome, Answered)
    assert outcome.verdicts[0] is outcome.verdicts[2] is ACCEPTED
    assert outcome.verdicts[1].code == "aep_400"
    assert emulator.received.times("e2") == 0


async def test_poison_event_alone_is_rejected(emulator, destination):
    """An event that AEP's envelope check refuses is rejected, its neighbours accepted."""
    items = [destination.encode(event(1)), destination.encode({"_id": "bad"})]
    outcome = await destination.send(items)
    assert isinstance(outcome, Answered)
    assert isinstance(outcome.verdicts[1], Rejected)
    assert "timestamp" in outcome.verdicts[1].reason


async def test_dropped_responses_are_mismatched(emulator, destination):
    """Fewer responses than events: no guess."""
    emulator.control(drop_responses={"count": 1})
    assert isinstance(await send(destination, 1, 2), Mismatched)


@pytest.mark.parametrize(
    ("fail", "outcome"),
    [
        ({"status": 503}, Transient),
        ({"status": 503, "retry_after": 2}, Throttled),
        ({"status": 429, "retry_after": 2, "retry_after_date": True}, Throttled),
        ({"status": 429}, Throttled),
        ({"status": 500}, Transient),
        ({"status": 502, "body": "<html>Bad Gateway</html>"}, Transient),
        ({"status": 404}, Misconfigured),
        ({"status": 400}, Unexplained),
        ({"status": 413}, TooLarge),
        ({"status": 200, "body": "<html>Sign in</html>"}, Transient),
        ({"status": 207, "body": "{"}, Mismatched),
        ({"status": 302}, Misconfigured),
    ],
)
async def test_every_status_has_its_outcome(emulator, destination, fail, outcome):
    """Faults of the whole request, over HTTP; the next request is accepted."""
    emulator.control(fail=fail | {"count": 1})
    assert type(await send(destination, 1, 2)) is outcome
    assert await send(destination, 1, 2) == AllAccepted()


async def test_retry_after_as_a_date_over_http(emulator, destination):
    """A date two seconds ahead is a pause of up to two seconds."""
    emulator.control(fail={"status": 503, "retry_after": 2, "retry_after_date": True, "count": 1})
    outcome = await send(destination, 1)
    assert isinstance(outcome, Throttled)
    assert 0 <= outcome.retry_after <= 2


async def test_request_above_a_megabyte_is_too_large():
    """The emulator's 413 asks for a split."""
    async with Emulator(max_bytes=2_000) as small, destination_of(small) as destination:
        assert await send(destination, *range(10)) == TooLarge()
        assert await send(destination, 1) == AllAccepted()


async def test_revoked_token_is_renewed_once_for_all_lanes(emulator, destination):
    """Eight requests under way with a revoked token: all accepted in the end, one new token."""
    await send(destination, 0)
    emulator.control(revoke_tokens=True, latency_seconds=0.05)
    outcomes = await asyncio.gather(*(send(destination, number) for number in range(1, 9)))
    assert outcomes == [AllAccepted()] * 8
    assert emulator.received.token_requests["200"] == 2


@pytest.mark.parametrize("status", [401, 403])
async def test_token_that_expires_mid_run(status):
    """Tokens that live half a second, and in AEP's eyes less: a run of two seconds loses nothing and waits for nothing but IMS."""
    now = [1_000.0]
    async with Emulator(token_ttl=0.5) as emulator, destination_of(emulator) as destination:
        # On the machine's clock a token may die between IMS and the inlet, twice in a row, which is another matter.
        emulator.ims._clock, destination._tokens._clock = lambda: 1.5 * now[0], lambda: now[0]
        emulator.control(unauthorized_status=status)
        for number in range(40):
            assert await send(destination, number) == AllAccepted()
            now[0] += 0.05
        assert emulator.received.summary()["unique"] == 40
        assert emulator.received.token_requests["200"] >= 3


async def test_lasting_401_holds_with_a_reason(emulator, destination):
    """Refused also with a new token: Unauthorized says what to do, and tokens are not minted without end."""
    emulator.control(fail={"status": 401})
    outcomes = {await send(destination, 1) for _ in range(10)}
    # One reason, however often it is probed: whoever logs changes of it logs once.
    (outcome,) = outcomes
    assert isinstance(outcome, Unauthorized)
    assert "product profile" in outcome.reason
    assert outcome.sent
    assert emulator.received.token_requests["200"] == 2
    emulator.control(fail=None)
    assert await send(destination, 1) == AllAccepted()


async def test_refused_secret_holds_then_recovers(emulator):
    """Wrong secret: Unauthorized naming the variable, no request to the collection; right again: accepted."""
    async with destination_of(emulator, secret="wrong") as destination:
        outcome = await send(destination, 1)
        assert isinstance(outcome, Unauthorized)
        assert "BRIDGE_OAUTH__CLIENT_SECRET" in outcome.reason
        assert "wrong" not in outcome.reason
        assert not outcome.sent
        assert not emulator.received.requests
        emulator.control(secrets=["wrong"])
        assert await accepted_in_the_end(destination)


async def test_two_secrets_while_rotating(emulator):
    """The old secret is deleted mid-run: delivery goes on with the new one."""
    async with destination_of(emulator, secret="emulated-secret,next-secret") as destination:
        assert await send(destination, 1) == AllAccepted()
        emulator.control(secrets=["next-secret"], revoke_tokens=True)
        assert await send(destination, 2) == AllAccepted()


async def test_reset_before_processing(emulator, destination):
    """Connection reset before: transient, nothing was taken."""
    emulator.control(reset={"when": "before", "count": 1})
    assert isinstance(await send(destination, 1), Transient)
    assert emulator.received.times("e1") == 0


async def test_reset_after_processing(emulator, destination):
    """Connection reset after: transient too, and the resend is a duplicate with an equal payload."""
    emulator.control(reset={"when": "after", "count": 1})
    assert isinstance(await send(destination, 1), Transient)
    assert await send(destination, 1) == AllAccepted()
    assert emulator.received.times("e1") == 2
    assert not emulator.received.conflicting


@pytest.mark.parametrize("when", ["before", "after"])
async def test_hanging_request_times_out(emulator, when):
    """Silence ends as transient after the time-out, not later."""
    emulator.control(hang={"for_seconds": 30, "when": when, "count": 1})
    metrics = Metrics()
    # The second request has the same time, so it is one in which a busy machine gives an answer; the silence is far longer.
    async with destination_of(emulator, metrics, timeout_seconds=2) as destination, asyncio.timeout(25):
        outcome = await send(destination, 1)
        assert outcome == Transient("no answer within 2 seconds")
        assert await send(destination, 1) == AllAccepted()
    assert metrics.registry.get_sample_value("bridge_delivery_requests_total", {"status": "timeout"}) == 1


async def test_dripping_answer_times_out():
    """A server that sends a byte now and then cannot hold a request for ever."""

    async def drip(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 207 Multi-Status\r\nContent-Length: 1000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    emulator = Emulator()
    endpoint = f"http://127.0.0.1:{port}/collection/abc"
    async with (
        server,
        destination_of(emulator, endpoint=endpoint, auth="none", timeout_seconds=0.4) as destination,
        asyncio.timeout(20),
    ):
        assert await send(destination, 1) == Transient("no answer within 0.4 seconds")


@pytest.mark.parametrize("status", [400, 403, 500, 207])
async def test_an_echoed_token_is_in_no_reason(status):
    """What the service quotes of the request's own token ends in no log, health or dead letter, whatever the token looks like."""
    async with Emulator() as emulator:
        said: list[bytes] = []

        async def echo(reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            token = head.partition(b"Bearer ")[2].partition(b"\r\n")[0]
            said.append(token)
            words = b'"message":"no such token: %b","title":"%b"' % (token, token)
            answer = b'{"responses":[{"status":400,%b}]}' % words if status == 207 else b"{%b}" % words
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(answer)) + answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/collection/abc"
        async with server, destination_of(emulator, endpoint=endpoint) as destination:
            told = str(await send(destination, 1))
    assert said[0]
    assert not [token for token in said if token.decode() in told]
    assert "no such token" in told


async def test_nothing_listens_and_then_it_does(emulator):
    """Connection refused: transient; back on the same port: accepted."""
    async with destination_of(emulator) as destination:
        assert await send(destination, 1) == AllAccepted()
        await emulator.stop()
        outcome = await send(destination, 2)
        assert isinstance(outcome, Transient)
        await emulator.start()
        assert await send(destination, 2) == AllAccepted()


async def test_ims_down_from_the_start_and_back(emulator):
    """No token, no drop: Unauthorized with the reason, and by itself accepted later."""
    emulator.control(ims={"status": 503, "retry_after": 1, "count": 1})
    async with destination_of(emulator) as destination:
        outcome = await send(destination, 1)
        assert isinstance(outcome, Unauthorized)
        assert "IMS answered 503" in outcome.reason
        assert await accepted_in_the_end(destination)


async def test_wrong_organisation_is_misconfigured():
    """Every event would be refused: that is no reason for dead letters."""
    async with Emulator() as emulator, destination_of(emulator, org_id="wrong@AdobeOrg") as destination:
        outcome = await send(destination, 1, 2)
        assert isinstance(outcome, Misconfigured)
        assert "ims org" in outcome.reason


async def test_unknown_inlet_is_misconfigured(emulator):
    """A wrong endpoint dead-letters nothing."""
    endpoint = f"{emulator.url}/collection/{'f' * 64}"
    async with destination_of(emulator, endpoint=endpoint) as destination:
        outcome = await send(destination, 1)
        assert isinstance(outcome, Misconfigured)
        assert "f" * 64 not in outcome.reason


async def test_no_auth_inlet():
    """Auth = none: no token is asked for, no Authorization sent."""
    inlet = Inlet(authenticated=False)
    async with Emulator(inlet=inlet) as emulator, destination_of(emulator, auth="none") as destination:
        assert await send(destination, 1) == AllAccepted()
        assert not emulator.received.token_requests


async def test_raw_payload_with_its_flow():
    """Payload = raw: the event itself, the flow id as a header; another flow is refused."""
    inlet = Inlet(payload="raw", flow_id="flow-1")
    raw = {"event_uuid": "u1", "event_name": "Email Sent"}
    async with Emulator(inlet=inlet) as emulator:
        async with destination_of(emulator, payload="raw", schema_id=None, dataset_id=None) as destination:
            assert await destination.send([destination.encode(raw)]) == AllAccepted()
        assert emulator.received.page(0, 9)["ids"] == [["u1", 1, fingerprint(raw)]]
        async with destination_of(emulator, payload="raw", flow_id="flow-2") as destination:
            assert isinstance(await destination.send([destination.encode(raw)]), Misconfigured)


async def test_metrics_of_requests(emulator):
    """Requests by status, seconds, events and bytes are counted."""
    metrics = Metrics()
    async with destination_of(emulator, metrics) as destination:
        await send(destination, 1, 2)
        emulator.control(fail={"status": 503, "count": 1})
        await send(destination, 3)
    value = metrics.registry.get_sample_value
    assert value("bridge_delivery_requests_total", {"status": "207"}) == 1
    assert value("bridge_delivery_requests_total", {"status": "503"}) == 1
    assert value("bridge_delivery_seconds_count") == 2
    assert value("bridge_delivery_batch_events_sum") == 3
    assert value("bridge_delivery_batch_bytes_sum") > 1_000
