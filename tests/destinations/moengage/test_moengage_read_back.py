"""Accepted is not stored: a test user and a share of the customers are read back and compared."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from bridge.destinations.moengage.destination import MoEngageDestination
from bridge.destinations.moengage.read_back import differing, read_users, request_of, to_compare
from bridge.destinations.moengage.sampling import ReadBack
from bridge.destinations.moengage.trial import TEST_USER, send_trial, try_key
from bridge.emulators.moengage import MoEngageEmulator
from bridge.model.verdicts import AllAccepted
from bridge.settings.moengage import MoEngageSettings
from bridge.telemetry.metrics import Metrics


def _settings(emulator, **more):
    given = {"workspace_id": emulator.api.app_id, "api_key": emulator.api.api_keys[0], "base_url": emulator.url}
    return MoEngageSettings.model_validate(given | more)


@pytest.fixture
async def emulator():
    """A workspace of MoEngage, emulated."""
    async with MoEngageEmulator() as running:
        yield running


async def _no_wait(_seconds):
    await asyncio.sleep(0)


async def test_the_test_user_is_written_and_read_back(emulator) -> None:
    """Accepted, and stored."""
    trial = await send_trial(_settings(emulator), sleep=_no_wait)
    assert trial.ok, trial
    assert "read back" in trial.words
    assert set(emulator.workspace.users) == {TEST_USER}


async def test_accepted_and_lost_is_told(emulator) -> None:
    """A 200 for a user that is not there afterwards is a failure."""
    emulator.control(lose={})
    trial = await send_trial(_settings(emulator), sleep=_no_wait)
    assert not trial.ok
    assert "not read back within 30 s" in trial.words


async def test_the_key_is_tried_without_writing(emulator) -> None:
    """A right key, and a wrong one with what to do."""
    assert (await try_key(_settings(emulator))).ok
    wrong = await try_key(_settings(emulator, api_key="other"))
    assert not wrong.ok
    assert "data centre" in wrong.words
    assert "BRIDGE_MOENGAGE__WORKSPACE_ID" in wrong.todo
    assert not emulator.workspace.users


async def test_nobody_answers() -> None:
    """An address where nothing listens is named with what to check."""
    settings = MoEngageSettings.model_validate({"workspace_id": "W", "api_key": "k", "base_url": "http://127.0.0.1:9"})
    for trial in (await try_key(settings), await send_trial(settings, sleep=_no_wait)):
        assert not trial.ok
        assert "BRIDGE_MOENGAGE__DATA_CENTER" in trial.todo


def test_what_is_compared() -> None:
    """Attributes that a call sets as they are; edits, objects and what is cut are not compared."""
    attributes = {
        "a": 1,
        "b": "x" * 600,
        "c": {"d": 1},
        "e": "",
        "city": "Köln",
        "f": ["x"],
        "g": [{"a": 1}],
        "addValueToArrayField": {"h": ["x"]},
        "platforms": [],
    }
    assert to_compare({"type": "customer", "attributes": attributes}) == {"a": 1, "f": ["x"]}
    assert to_compare({"type": "event", "attributes": attributes}) == {}


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (1, "1"),
        (1.0, 1),
        (2.5, "2.5"),
        (True, "true"),
        ("true", True),
        (["b", "a"], ["a", "b"]),
        ("2026-11-12T14:20:00Z", "2026-11-12T14:20:00.000Z"),
        ("2026-11-12T14:20:00Z", "2026-11-12T14:20:00+00:00"),
        (" x", "x"),
    ],
)
def test_forms_of_one_value(sent, stored) -> None:
    """MoEngage may give back another form of the same value."""
    assert not differing({"a": sent}, {"a": stored})


@pytest.mark.parametrize(
    ("sent", "stored"), [(1, 2), ("x", None), (["a"], ["a", "b"]), (["a"], "a"), (True, 1), (0, False)]
)
def test_values_that_differ(sent, stored) -> None:
    """And another value is told by its name."""
    assert differing({"a": sent}, {"a": stored}) == ["a"]


def test_answers_that_are_none() -> None:
    """What is not in the documented form says nothing."""
    assert read_users(b"<html>") is None
    assert read_users(b"[]") is None
    assert read_users(b'{"data": {"users": [1], "users_not_found": [1]}}') == ({}, frozenset())


def _user(customer, **attributes):
    return orjson.dumps({"type": "customer", "customer_id": customer, "attributes": attributes})


class _Looked:
    """A read-back on a clock of the test's, against what the test says is stored."""

    def __init__(self, share=1.0):
        self.now, self.stored, self.asked, self.metrics = 0.0, {}, [], Metrics()
        self.read_back = ReadBack(share, self._ask, self.metrics, clock=lambda: self.now, after=60, every=10_000)

    async def _ask(self, body):
        self.asked.append(orjson.loads(body)["data"])
        if self.stored is None:
            return None
        users, missing = [], []
        for one in self.asked[-1]["identifiers"]:
            customer = one["identifier"]
            if customer in self.stored:
                users.append({"user_attributes": {"customer_id": customer, **self.stored[customer]}})
            else:
                missing.append(one)
        return orjson.dumps({"data": {"users": users, "users_not_found": missing}})

    def results(self):
        """Result -> count."""
        samples = next(iter(self.metrics.read_back.collect())).samples
        return {one.labels["result"]: one.value for one in samples if one.name.endswith("_total") and one.value}


async def test_a_share_is_looked_at_after_a_while() -> None:
    """Same, different and absent are counted; the newest change of a customer is what is compared."""
    looked = _Looked()
    looked.read_back.sent([_user("A", x=1), _user("B", x=1), _user("C", x=1), b'{"type":"event","customer_id":"A"}'])
    looked.now = 30
    looked.read_back.sent([_user("A", x=2, y=3)])
    looked.stored = {"A": {"x": 2, "y": 3}, "B": {"x": 9}}
    await looked.read_back.look()
    assert not looked.asked
    looked.now = 60
    await looked.read_back.look()
    assert looked.results() == {"differs": 1, "absent": 1}
    looked.now = 90
    await looked.read_back.look()
    await looked.read_back.look()
    assert looked.results() == {"differs": 1, "absent": 1, "same": 1}
    assert looked.asked[1]["user_fields_to_export"] == ["customer_id", "x", "y"]
    await looked.read_back.aclose()


async def test_what_was_edited_later_is_not_compared() -> None:
    """A list that was set and then added to is neither."""
    looked = _Looked()
    looked.read_back.sent([_user("A", s=["a"], x=1), _user("A", addValueToArrayField={"s": ["b"]})])
    looked.now, looked.stored = 60, {"A": {"s": ["a", "b"], "x": 1}}
    await looked.read_back.look()
    assert looked.results() == {"same": 1}
    await looked.read_back.aclose()


async def test_an_answer_that_fails_is_counted() -> None:
    """It is told, and nothing is held up by it."""
    looked = _Looked()
    looked.read_back.sent([_user("A", x=1)])
    looked.now, looked.stored = 60, None
    await looked.read_back.look()
    assert looked.results() == {"failed": 1}
    await looked.read_back.aclose()


async def test_the_same_share_of_customers_each_time() -> None:
    """About as many as the setting says, and always the same ones."""
    looked = _Looked(share=0.1)
    looked.read_back.sent([_user(f"C-{number}", x=1) for number in range(2_000)])
    first = set(looked.read_back._waiting)
    assert 120 < len(first) < 280
    other = _Looked(share=0.1)
    other.read_back.sent([_user(f"C-{number}", y=2) for number in range(2_000)])
    assert set(other.read_back._waiting) == first
    await looked.read_back.aclose()
    await other.read_back.aclose()


def test_at_most_twenty_a_call() -> None:
    """MoEngage takes 20 users a call."""
    body = orjson.loads(request_of({f"C-{number}": {"a": 1} for number in range(3)}))
    assert body["data"]["identifiers"][0] == {"identifier_type": "customer_id", "identifier": "C-0"}
    assert body["data"]["user_fields_to_export"] == ["customer_id", "a"]


async def test_the_destination_reads_back_by_itself(emulator) -> None:
    """With the setting on, an update that was lost is counted."""
    metrics = Metrics()
    settings = _settings(emulator, read_back=1.0)
    async with MoEngageDestination(settings, metrics, read_back_after=0.0) as destination:
        emulator.control(lose={"customer_ids": ["C-2"]})
        assert await destination.send([_user("C-1", x=1), _user("C-2", x=1)]) == AllAccepted()
        await destination._read_back.look()
    samples = {
        one.labels["result"]: one.value
        for one in next(iter(metrics.read_back.collect())).samples
        if "_total" in one.name and one.value
    }
    assert samples == {"same": 1, "absent": 1}
