"""The emulated Data API: answers by the documents, silent rules made visible, windows counted on their own."""

from __future__ import annotations

import base64

import aiohttp
import pytest

from bridge.emulators.moengage import MoEngageEmulator
from bridge.emulators.moengage.server import fingerprint
from bridge.emulators.moengage.windows import Windows

NOW = 1_790_000_000.0


class _Client:
    def __init__(self, session, emulator) -> None:
        self.session, self.emulator = session, emulator

    async def post(self, call, document, *, key=None, headers=None, app_id=None, data=None):
        secret = key or self.emulator.api.api_keys[0]
        basic = base64.b64encode(f"{self.emulator.api.app_id}:{secret}".encode()).decode()
        path = "customers/export?app_id=" if call == "export" else f"{call}/"
        url = f"{self.emulator.url}/v1/{path}{app_id or self.emulator.api.app_id}"
        sent = {"Authorization": f"Basic {basic}"} | (headers or {})
        body = {"data": data} if data is not None else {"json": document}
        async with self.session.post(url, headers=sent, **body) as answer:
            return answer.status, await answer.json(), answer.headers

    async def bulk(self, *elements):
        return await self.post("transition", {"type": "transition", "elements": list(elements)})


@pytest.fixture
async def client():
    """A client of an emulated workspace whose clock stands still."""
    async with MoEngageEmulator(phase=0.0, wall=lambda: NOW) as emulator, aiohttp.ClientSession() as session:
        yield _Client(session, emulator)


def _user(identifier="C-1", attributes=None, **more):
    return {"type": "customer", "customer_id": identifier, "attributes": attributes or {"a": 1}, **more}


def _event(identifier="C-1", **action):
    return {"type": "event", "customer_id": identifier, "actions": [{"action": "buy", **action}]}


async def test_success_as_documented(client) -> None:
    """Status, message and request id."""
    status, document, _ = await client.bulk(_user())
    assert status == 200
    assert document["status"] == "success"
    assert document["request_id"]


@pytest.mark.parametrize(
    ("call", "document", "status", "kind"),
    [
        ("customer", {"type": "customer", "attributes": {}}, 400, "MissingAttributeError"),
        ("customer", _user(""), 400, "MissingAttributeError"),
        ("customer", {"type": "Customer", "customer_id": "C-1"}, 400, "ValueError"),
        ("event", {"type": "event", "customer_id": "C-1", "actions": []}, 400, "MissingAttributeError"),
        ("event", _event(platform="windows"), 400, "ValueError"),
        ("event", _event(user_time=int(NOW) + 3_600), 400, "ValueError"),
        ("device", {"type": "device", "customer_id": "C-1"}, 400, "MissingAttributeError"),
        ("transition", {"type": "transition", "elements": []}, 400, "MissingAttributeError"),
        ("transition", {"type": "bulk", "elements": [_user()]}, 400, "ValueError"),
        ("export", {}, 400, "MissingAttributeError"),
        ("export", {"data": {"identifiers": [{}] * 21}}, 400, "LimitBreached"),
    ],
)
async def test_errors_as_documented(client, call, document, status, kind) -> None:
    """Single calls and malformed bulk calls answer 400 with the error's type."""
    answered, told, _ = await client.post(call, document)
    assert (answered, told["status"], told["error"]["type"]) == (status, "fail", kind)


async def test_both_edits_of_one_attribute(client) -> None:
    """MoEngage's own example of an ArrayFieldError."""
    edits = {"addValueToArrayField": {"x": ["a"]}, "removeValueFromArrayField": {"x": ["b"]}}
    status, told, _ = await client.post("customer", _user(attributes=edits))
    assert (status, told["error"]["type"]) == (400, "ArrayFieldError")


async def test_credentials(client) -> None:
    """A wrong key, none, another workspace, another path."""
    assert (await client.post("customer", _user(), key="wrong"))[0] == 401
    assert (await client.post("customer", _user(), headers={"Authorization": ""}))[0] == 401
    assert (await client.post("customer", _user(), app_id="OTHER"))[0] == 409
    client.emulator.control(unauthorized_status=403)
    assert (await client.post("customer", _user(), key="wrong"))[0] == 403


async def test_bodies(client) -> None:
    """Not JSON, too large, of another media type."""
    json_type = {"Content-Type": "application/json"}
    assert (await client.post("transition", None, data=b"{", headers=json_type))[0] == 400
    assert (await client.post("transition", None, data=b"x" * 100_001, headers=json_type))[0] == 413
    assert (await client.post("customer", None, data=b"x" * 100_001, headers=json_type))[0] == 400
    assert (await client.post("transition", None, data=b"{}", headers={"Content-Type": "text/csv"}))[0] == 415


async def test_bulk_answers_200_and_ignores_in_silence(client) -> None:
    """What bulk does not take is only seen here: type, id, error and policy."""
    status, _, _ = await client.bulk(
        {"type": "Customer", "customer_id": "C-1"},
        _user("guest"),
        _user("x"),
        {"type": "customer"},
        _event(action=""),
        _user("C-1", {"ok": 1, "moe_mine": 1, "id": 2, "source": "s", "long": "v" * 600, "n": None, "mix": [1, "a"]}),
    )
    assert status == 200
    workspace = client.emulator.workspace
    assert set(workspace.users) == {"C-1"}
    assert workspace.users["C-1"].attributes == {"ok": 1, "long": "v" * 512}
    assert sum(workspace.ignored.values()) == 11
    async with client.session.get(f"{client.emulator.url}/received?ignored=1") as answer:
        shown = await answer.json()
    assert "text cut to 512 characters" in shown["ignored"]
    assert {"rule": "blocked name", "what": "id", "customer_id": "C-1"} in shown["recently_ignored"]


async def test_state_of_a_user(client) -> None:
    """Last value wins, lists are edited, attributes unset; the SDK's own only at the beginning."""
    await client.bulk(_user(attributes={"a": 1, "city": "Köln", "s": ["x"]}))
    await client.bulk(
        _user(attributes={"a": 2, "city": "Bonn", "addValueToArrayField": {"s": ["y", "x"]}}),
        _user(attributes={"removeValueFromArrayField": {"s": ["x"]}}),
    )
    assert client.emulator.workspace.users["C-1"].attributes == {"a": 2, "city": "Köln", "s": ["y"]}
    await client.bulk(_user(attributes={"b": 1}, unset_attributes=[{"type": "equals", "attr": "a"}]))
    assert client.emulator.workspace.users["C-1"].attributes == {"city": "Köln", "s": ["y"], "b": 1}
    await client.bulk(_user("C-9", update_existing_only=True))
    assert "C-9" not in client.emulator.workspace.users


async def test_events_and_devices(client) -> None:
    """Events are kept, repeated ones are counted; devices need a user and take their own attributes only."""
    await client.bulk(_event(attributes={"n": 1}), _event(attributes={"n": 1}), _event(action="a.b"))
    device = {"type": "device", "customer_id": "C-1", "device_id": "d", "attributes": {"platform": "web", "x": 1}}
    await client.bulk(device, {**device, "customer_id": "C-8"})
    user = client.emulator.workspace.users["C-1"]
    assert [one["action"] for one in user.events] == ["buy", "buy", "a b"]
    assert user.devices == {"d": {"platform": "web"}}
    summary = client.emulator.summary()
    assert (summary["actions"], summary["repeated_actions"]) == (3, 1)
    assert "device of a user that does not exist" in summary["ignored"]


async def test_get_user(client) -> None:
    """The fields that were asked for, and who was not found."""
    await client.bulk(_user(attributes={"a": 1, "b": 2}))
    asked = {
        "identifiers": [{"identifier_type": "customer_id", "identifier": name} for name in ("C-1", "C-2")],
        "user_fields_to_export": ["customer_id", "a"],
    }
    status, told, _ = await client.post("export", {"data": asked})
    assert status == 200
    assert told["data"] == {
        "users": [{"user_attributes": {"customer_id": "C-1", "a": 1}}],
        "users_not_found": [{"identifier_type": "customer_id", "identifier": "C-2"}],
    }


@pytest.mark.parametrize(
    ("form", "header", "value"),
    [
        ("left", "x-ratelimit-reset", "40"),
        ("epoch", "x-ratelimit-reset", "1790000040"),
        ("retry_after", "Retry-After", "40"),
    ],
)
async def test_limits_by_window(client, form, header, value) -> None:
    """The request that would break a limit is refused whole, and says when the window ends."""
    client.emulator.control(limits={"users": 3, "events": 1}, reset_form=form)
    status, _, headers = await client.bulk(_user("A1"), _user("A2"))
    assert (status, headers["x-ratelimit-remaining"]) == (200, "1")
    status, told, headers = await client.bulk(_user("A3"), _user("A4"))
    assert (status, told["error"]["type"], headers[header]) == (429, "RateLimitError", value)
    assert (await client.bulk(_user("A3"), _event()))[0] == 200
    assert (await client.bulk(_event()))[0] == 429
    assert set(client.emulator.workspace.users) == {"A1", "A2", "A3", "C-1"}
    assert client.emulator.summary()["windows"][0] | {"window": 0} == {
        "window": 0,
        "users": 3,
        "events": 1,
        "devices": 0,
        "requests": 2,
        "refused": 2,
    }


def test_windows_begin_at_their_phase() -> None:
    """A new window takes anew; the phase is nobody's full minute."""
    windows = Windows(13.0)
    assert windows.admit({"users": 5}, {"users": 5}, 72.9) is None
    assert windows.admit({"users": 1}, {"users": 5}, 72.99) == "users"
    assert windows.admit({"users": 5}, {"users": 5}, 73.0) is None
    assert windows.left(73.0) == pytest.approx(60.0)
    assert [one["users"] for one in windows.shown()] == [5, 5]


async def test_misbehaviour_on_command(client) -> None:
    """The vocabulary of both emulators, and what is this one's own."""
    async with client.session.post(f"{client.emulator.url}/control", json={"fail": 503, "nonsense": 1}) as answer:
        assert answer.status == 400
        assert (await answer.json())["problems"][0]["key"] == "nonsense"
    async with client.session.post(
        f"{client.emulator.url}/control", json={"fail": {"status": 429, "retry_after": 2, "count": 1}}
    ) as answer:
        assert (await answer.json())["fail"]["status"] == 429
    status, _, headers = await client.bulk(_user())
    assert (status, headers["Retry-After"]) == (429, "2")
    client.emulator.control(lose={"customer_ids": ["C-1"], "count": 1})
    assert (await client.bulk(_user(), _user("C-2")))[0] == 200
    assert set(client.emulator.workspace.users) == {"C-2"}
    client.emulator.control(refuse={"customer_ids": ["C-2"]}, reset="after")
    with pytest.raises(aiohttp.ClientError):
        await client.bulk(_user())
    assert set(client.emulator.workspace.users) == {"C-1", "C-2"}
    client.emulator.control(clear_faults=True, clear_received=True, refuse={"customer_ids": ["C-2"]})
    assert (await client.bulk(_user(), _user("C-2")))[0] == 400
    assert not client.emulator.workspace.users


async def test_received_pages_customers(client) -> None:
    """Every user with a fingerprint of the attributes, and on request of each event, page by page."""
    await client.bulk(*(_user(f"C-{number}", {"n": number % 2}) for number in range(5)))
    async with client.session.get(f"{client.emulator.url}/received?customers=1&offset=3&limit=1") as answer:
        page = await answer.json()
    assert page["customers"][0][:2] == ["C-3", 1]
    assert page["next_offset"] == 4
    await client.bulk(_event("C-3"), _event("C-3", attributes={"n": 1}))
    async with client.session.get(f"{client.emulator.url}/received?customers=1&events=1&offset=3&limit=1") as answer:
        (found,) = (await answer.json())["customers"]
    events = [{"action": "buy", "attributes": {}}, {"action": "buy", "attributes": {"n": 1}}]
    assert found == ["C-3", 3, fingerprint({"n": 1}), sorted(map(fingerprint, events))]
    async with client.session.get(f"{client.emulator.url}/received?customer=C-3") as answer:
        assert (await answer.json())["attributes"] == {"n": 1}
    async with client.session.get(f"{client.emulator.url}/received?customer=nobody") as answer:
        assert answer.status == 404
    async with client.session.delete(f"{client.emulator.url}/received") as answer:
        assert (await answer.json())["users"] == 0
