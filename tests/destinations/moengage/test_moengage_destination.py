"""The destination against the emulated Data API: what is sent, which key, and what becomes of it."""

from __future__ import annotations

import asyncio
import base64

import orjson
import pytest

from bridge.destinations.moengage.checks import Checks
from bridge.destinations.moengage.destination import MoEngageDestination, call_url, check_settings
from bridge.destinations.moengage.shaping import Shaper
from bridge.emulators.moengage import MoEngageEmulator
from bridge.model.errors import SettingsError
from bridge.model.verdicts import AllAccepted, Throttled, TooLarge, Transient, Unauthorized, Unexplained
from bridge.settings.moengage import MoEngageSettings
from bridge.telemetry.metrics import Metrics

pytestmark = pytest.mark.clock


def _settings(emulator, **more):
    given = {"workspace_id": emulator.api.app_id, "api_key": emulator.api.api_keys[0], "base_url": emulator.url}
    return MoEngageSettings.model_validate({name: value for name, value in (given | more).items() if value is not None})


@pytest.fixture
async def emulator():
    """A workspace of MoEngage, emulated."""
    async with MoEngageEmulator() as running:
        yield running


def _items(*mapped):
    shaper = Shaper(Checks(), most_bytes=95_000)
    return [item for one in mapped for item in shaper.shape(one).items]


def _user(identifier, **attributes):
    return {"customer": {"customer_id": identifier, "attributes": attributes}}


PURCHASE = {
    "customer": {"customer_id": "C-1", "attributes": {"first_name": "Zoë"}},
    "event": {"actions": [{"action": "purchase", "attributes": {"amount": 29.99}, "platform": "web"}]},
}


async def test_a_bulk_request_of_users_and_events(emulator) -> None:
    """One request carries both; the emulated workspace has them as they were sent."""
    async with MoEngageDestination(_settings(emulator), Metrics()) as destination:
        assert await destination.send(_items(PURCHASE, _user("C-2", tier="gold"))) == AllAccepted()
    users = emulator.workspace.users
    assert users["C-1"].attributes == {"first_name": "Zoë"}
    assert users["C-1"].events[0] == {"action": "purchase", "attributes": {"amount": 29.99}, "platform": "web"}
    assert users["C-2"].attributes == {"tier": "gold"}
    assert emulator.summary()["calls"] == {"transition": 1}
    assert not emulator.workspace.ignored


async def test_single_mode_calls_each_by_its_kind(emulator) -> None:
    """A call an element, which answers for it."""
    async with MoEngageDestination(_settings(emulator, mode="single"), Metrics()) as destination:
        assert destination.max_request_events == 1
        device = {"customer": {"customer_id": "C-1"}, "device": {"device_id": "d", "attributes": {"platform": "web"}}}
        for item in _items(PURCHASE, device):
            assert await destination.send([item]) == AllAccepted()
        wrong = orjson.dumps({"type": "customer", "customer_id": "", "attributes": {"a": 1}})
        outcome = await destination.send([wrong])
    assert isinstance(outcome, Unexplained)
    assert outcome.code == "moengage_MissingAttributeError"
    assert emulator.summary()["calls"] == {"customer": 2, "event": 1, "device": 1}
    assert emulator.workspace.users["C-1"].devices == {"d": {"platform": "web"}}


async def test_a_key_from_a_file_is_read_again_when_refused(emulator, tmp_path) -> None:
    """Rotating a key ends the old one at once: the new one is taken without a restart."""
    file = tmp_path / "key"
    file.write_text("\ufeff" + emulator.api.api_keys[0] + "\n", encoding="utf-8")
    settings = _settings(emulator, api_key=None, api_key_file=file)
    async with MoEngageDestination(settings, Metrics()) as destination:
        assert await destination.send(_items(_user("C-1", a=1))) == AllAccepted()
        emulator.control(api_keys=["rotated"])
        refused = await destination.send(_items(_user("C-1", a=2)))
        assert isinstance(refused, Unauthorized)
        assert "rotated" not in refused.reason
        file.write_text("rotated", encoding="utf-8")
        assert await destination.send(_items(_user("C-1", a=3))) == AllAccepted()
    assert emulator.workspace.users["C-1"].attributes == {"a": 3}


@pytest.mark.parametrize(
    ("control", "outcome"),
    [
        ({"fail": {"status": 503, "count": 1}}, Transient),
        ({"fail": {"status": 429, "retry_after": 3, "count": 1}}, Throttled),
        ({"reset": {"when": "after", "count": 1}}, Transient),
        ({"max_bytes": 10}, TooLarge),
        ({"refuse": {"customer_ids": ["C-1"], "status": 200}}, Unexplained),
        ({"api_keys": ["other"]}, Unauthorized),
        ({"limits": {"users": 1}}, Throttled),
    ],
)
async def test_misbehaviour_has_its_outcome(emulator, control, outcome) -> None:
    """What is sent again, split, bisected or held, as the emulator answers it over HTTP."""
    async with MoEngageDestination(_settings(emulator), Metrics()) as destination:
        emulator.control(**control)
        assert isinstance(await destination.send(_items(PURCHASE, _user("C-2", a=1))), outcome)


@pytest.mark.parametrize("form", ["left", "epoch", "retry_after"])
async def test_each_form_of_a_limit_says_when(form) -> None:
    """Seconds left, seconds since 1970 and Retry-After come to the same pause."""
    now = 1_790_000_010.0
    async with MoEngageEmulator(phase=0.0, wall=lambda: now) as emulator:
        emulator.control(limits={"users": 1}, reset_form=form)
        async with MoEngageDestination(_settings(emulator), Metrics(), wall=lambda: now) as destination:
            assert await destination.send(_items(_user("C-1", a=1))) == AllAccepted()
            outcome = await destination.send(_items(_user("C-2", a=1)))
    left = 60 - now % 60
    # With seconds since 1970 the answer's own Date counts, and that is the machine's.
    assert isinstance(outcome, Throttled)
    if form != "epoch":
        assert outcome.retry_after == pytest.approx(left, abs=1)


def test_addresses() -> None:
    """Data centre, workspace and project are in the address; a base URL stands in for the data centre."""
    settings = MoEngageSettings.model_validate(
        {"workspace_id": "W 1", "api_key": "k", "data_center": "DC-03", "project_code": "shop"}
    )
    assert str(call_url(settings, "transition")) == (
        "https://api-03.moengage.com/v1/transition/W%201?app_id=W+1&project_code=shop"
    )
    assert str(call_url(settings, "customers/export")) == ("https://api-03.moengage.com/v1/customers/export?app_id=W+1")
    other = MoEngageSettings.model_validate({"data_center": 101, "workspace_id": "W", "api_key": "k"})
    assert call_url(other, "event").host == "api-101.moengage.com"
    based = MoEngageSettings.model_validate({"base_url": "http://127.0.0.1:1/v1/", "workspace_id": "W"})
    assert str(call_url(based, "device")) == "http://127.0.0.1:1/v1/device/W?app_id=W"


@pytest.mark.parametrize(
    "given", [{}, {"workspace_id": "W"}, {"workspace_id": "W", "api_key": "change-me", "data_center": 1}]
)
def test_what_is_missing_is_named(given) -> None:
    """Each setting that is needed, with an example."""
    with pytest.raises(SettingsError, match="BRIDGE_MOENGAGE__"):
        check_settings(MoEngageSettings.model_validate(given))


@pytest.mark.parametrize("wrong", [7, "0", "dc", "1.5", "-1x"])
def test_data_centers_that_are_none(wrong) -> None:
    """An unknown one is refused, not taken for the first."""
    with pytest.raises(ValueError, match="expected one of"):
        MoEngageSettings.model_validate({"data_center": wrong})


def test_a_key_file_that_is_not_there(tmp_path) -> None:
    """The start names the file."""
    settings = MoEngageSettings.model_validate(
        {"workspace_id": "W", "data_center": 1, "api_key_file": tmp_path / "none"}
    )
    with pytest.raises(SettingsError, match="cannot be read"):
        check_settings(settings)


@pytest.mark.parametrize("quoted", ["key", "header"])
async def test_an_echoed_key_is_in_no_reason(quoted) -> None:
    """What the service quotes of the key, alone or as the header has it, ends in no log, health or dead letter."""
    key = "a-key-of-ours-1"
    header = base64.b64encode(f"workspace:{key}".encode()).decode()
    secret = key if quoted == "key" else header

    async def echo(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        answer = orjson.dumps({"status": "fail", "error": {"type": "x", "message": f"{secret} is refused"}})
        writer.write(b"HTTP/1.1 401 X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(answer) + answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    given = {"workspace_id": "workspace", "api_key": key}
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with (
        server,
        MoEngageDestination(MoEngageSettings.model_validate(given | {"base_url": url}), Metrics()) as destination,
    ):
        told = str(await destination.send(_items(_user("C-1"))))
    assert "is refused" in told
    assert secret not in told
