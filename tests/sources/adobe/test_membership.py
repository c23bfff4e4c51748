"""Audiences of a customer, joined of messages in any order, repeated, and cut off by crashes."""

import asyncio
from types import SimpleNamespace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from state_doubles import Scene

from bridge.model.event import LeftOut
from bridge.model.verdicts import Rejected, Stage
from bridge.sources.adobe.membership import MOST_KNOWN, Interned, Membership, join, names_of

RECEIVED = 1_800_000_000_000_000
RECORD = SimpleNamespace(key=b"c", headers=(), timestamp=RECEIVED // 1_000)
REFUSED = Rejected(Stage.DELIVER, "moengage_400", "no")


def audience(identifier, status="member", at=1_000, *, name=None, namespace="ups"):
    """One entry of a canonical profile."""
    name = name or f"Audience {identifier}"
    return {"namespace": namespace, "id": identifier, "name": name, "status": status, "at": at}


def profile(*audiences, customer="C-1", **more):
    """A canonical profile."""
    return {"kind": "profile", "customer_id": customer, "received_at": RECEIVED, "audiences": [*audiences], **more}


class Customer:
    """A membership and what it has kept of one customer so far."""

    def __init__(self, membership=None):
        self.membership = membership or Membership()
        self.kept = {}

    def take(self, event, record=RECORD):
        """The names that leave with an event; "absent" where none do."""
        before = orjson.dumps(event)
        prepared, change = self.membership.prepare(event, record, self.kept.get)
        assert orjson.dumps(event) == before, "the event was changed"
        if change is not None:
            self.kept[change.key] = change.value
        return prepared.get("audienceNames", "absent")


def test_changes_and_snapshots_come_to_the_same():
    """A delta adds to what is known, a snapshot repeats it, an exit takes away, and the last exit leaves an empty list."""
    customer = Customer()
    assert customer.take(profile(audience("b"))) == ["Audience b"]
    assert customer.take(profile(audience("a"))) == ["Audience a", "Audience b"]
    assert customer.take(profile(audience("a"), audience("b"))) == ["Audience a", "Audience b"]
    assert customer.take(profile(audience("b", "exited", 2_000))) == ["Audience a"]
    assert customer.take(profile(audience("a", "exited", 2_000))) == []


def test_the_later_time_counts_and_at_equal_time_the_later_message():
    """What is older changes nothing, and yet everything that is known leaves with it."""
    customer = Customer()
    customer.take(profile(audience("a", at=5_000)))
    assert customer.take(profile(audience("a", "exited", 4_999))) == ["Audience a"]
    assert customer.take(profile(audience("a", "exited", 5_000))) == []
    assert customer.take(profile(audience("a", at=5_000))) == ["Audience a"]


def test_times_that_are_missing_or_ahead():
    """Without a time the receipt counts, and so it does for one in the future; without that, Kafka's timestamp."""
    customer = Customer()
    customer.take(profile(audience("a", at=RECEIVED + 1_000_000_000)))
    later = profile(audience("a", "exited", RECEIVED + 1), received_at=RECEIVED + 2)
    assert customer.take(later) == []
    listed = profile(audience("a", at=None), received_at=RECEIVED + 3)
    assert customer.take(listed) == ["Audience a"]
    unstamped = profile(audience("b", at=None))
    del unstamped["received_at"]
    customer.take(unstamped)
    assert customer.take(profile(audience("b", "exited", RECEIVED - 1))) == ["Audience a", "Audience b"]
    assert customer.take(profile(audience("b", "exited", RECEIVED))) == ["Audience a"]
    assert customer.take(profile(audience("c", at=-5))) == ["Audience a", "Audience c"]


def test_names():
    """A renamed audience has its new name; two of one name are one; the same id of another namespace is another audience."""
    customer = Customer()
    customer.take(profile(audience("a", name="Old")))
    assert customer.take(profile(audience("a", name="New"))) == ["New"]
    assert customer.take(profile(audience("b", name="New"))) == ["New"]
    assert customer.take(profile(audience("a", "exited", 9_000))) == ["New"]
    assert customer.take(profile(audience("b", name="Ünser", namespace="files"))) == ["New", "Ünser"]


def test_what_says_nothing_of_audiences():
    """Attributes alone leave with what is known, unknown customers without the list; events and the anonymous are let through."""
    customer = Customer()
    assert customer.take(profile()) == "absent"
    customer.take(profile(audience("a")))
    assert customer.take(profile()) == ["Audience a"]
    silent = profile()
    del silent["audiences"]
    assert customer.take(silent) == ["Audience a"]
    assert customer.take({"kind": "event", "customer_id": "C-1", "event": {"name": "x"}}) == "absent"
    nobody = profile(audience("a"))
    del nobody["customer_id"]
    assert customer.take(nobody) == "absent"
    assert list(customer.kept) == [b"C-1"]
    assert customer.take(profile(customer="C-2")) == "absent"


def test_a_refusal_changes_nothing():
    """Neither one of the destination nor one of the decoder."""
    membership = Membership()
    _, change = membership.prepare(profile(audience("a")), RECORD, {}.get)
    assert membership.refused(change, REFUSED) is None
    assert membership.without_event(RECORD, REFUSED) is None
    assert membership.without_event(RECORD, LeftOut("consent")) is None


def test_what_is_remembered_of_one_customer_is_bounded():
    """What left longest ago is forgotten first, and no member before anything that left."""
    known = join({}, [audience(f"m{number}", at=number) for number in range(600)], RECEIVED)
    known = join(known, [audience(f"x{number}", "exited", 10_000 + number) for number in range(401)], RECEIVED)
    assert len(known) == MOST_KNOWN
    assert len(names_of(known)) == 600
    assert ("ups", "x0") not in known
    assert ("ups", "x1") in known
    known = join({}, [audience(f"m{number}", at=number) for number in range(MOST_KNOWN + 1)], RECEIVED)
    assert ("ups", "m0") not in known


@pytest.mark.parametrize(
    "stored",
    [
        b"{",
        b"[]",
        b"null",
        b'{"v":2,"audiences":[]}',
        b'{"v":1}',
        b'{"v":1,"audiences":[["ups","a",1]]}',
        b'{"v":1,"audiences":[["ups","a","1 2",null]]}',
        b'{"v":1,"audiences":[["ups",7,1,null]]}',
        b'{"v":1,"audiences":[["ups","a",1,7]]}',
        b'{"v":1,"audiences":[["ups","a",9223372036854775808,null]]}',
        b'{"v":1,"audiences":7}',
    ],
)
def test_what_another_version_stored_is_not_guessed_at(stored):
    """It is told, and whoever reads holds."""
    with pytest.raises(ValueError, match=r"."):
        Membership().from_stored(stored)


TIMES = st.integers(0, 6).map(lambda number: 1_000 * number)
ENTRIES = st.builds(
    lambda identifier, status, at, name: audience(identifier, status, at, name=name),
    st.sampled_from("abc"),
    st.sampled_from(["member", "exited"]),
    st.one_of(TIMES, st.none()),
    st.sampled_from(["One", "Two", None]),
)
MESSAGES = st.lists(st.lists(ENTRIES, min_size=1, max_size=3), min_size=1, max_size=12)


def by_rule(messages):
    """Names by the rule itself: of each audience the last of the entries with the latest time, messages in their order."""
    newest = {}
    for moment, entries in enumerate(messages):
        for entry in entries:
            time = RECEIVED + moment if entry["at"] is None else entry["at"]
            before = newest.get(entry["id"])
            if before is None or time >= before[0]:
                newest[entry["id"]] = time, entry
    return sorted({entry["name"] for _, entry in newest.values() if entry["status"] == "member"})


def sent(messages):
    """The messages as profiles."""
    return [profile(*entries, received_at=RECEIVED + moment) for moment, entries in enumerate(messages)]


@given(MESSAGES)
def test_any_messages_lead_to_what_the_rule_says(messages):
    """In the order in which they lie in Kafka."""
    customer = Customer()
    assert [customer.take(event) for event in sent(messages)][-1] == by_rule(messages)


@given(MESSAGES, st.data())
def test_the_order_does_not_matter_where_times_differ(messages, data):
    """Any order, and any of them twice, ends at the same names."""
    events = sent(messages)
    for number, event in enumerate(events):
        for place, entry in enumerate(event["audiences"]):
            entry["at"] = number * 10 + place
    expected = Customer()
    for event in events:
        names = expected.take(event)
    again = data.draw(st.permutations([*events, *data.draw(st.lists(st.sampled_from(events), max_size=5))]))
    customer = Customer()
    for event in again:
        last = customer.take(event)
    assert last == names


@given(MESSAGES, st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=4))
def test_what_a_crash_repeats_comes_to_the_same(messages, crashes):
    """State is stored for a prefix, offsets for one that is shorter; from there on all is taken again, once and more."""
    events = sent(messages)
    customer = Customer()
    stored, at = {}, 0
    for reached, committed in [*crashes, (len(events) - 1, 0)]:
        customer = Customer()
        customer.kept = {key: customer.membership.from_stored(value) for key, value in stored.items()}
        for number in range(at, min(reached, len(events) - 1) + 1):
            names = customer.take(events[number])
            stored = {key: customer.membership.to_stored(value) for key, value in customer.kept.items()}
        at = max(at, min(committed, reached, len(events)))
    if at < len(events):
        assert names == by_rule(messages)


@given(MESSAGES)
def test_both_forms_hold_the_same(messages):
    """What is stored is read by another process, whose numbers are others."""
    customer = Customer()
    for event in sent(messages):
        customer.take(event)
    other = Membership()
    other.from_stored(b'{"v":1,"audiences":[["x","y",1,"Z"]]}')
    stored = customer.membership.to_stored(customer.kept[b"C-1"])
    assert other.to_stored(other.from_stored(stored)) == stored


def test_a_route_from_adobe_waits_for_what_is_known():
    """A profile that left without it would take the customer out of audiences."""

    async def work():
        scene = Scene(Membership())
        await scene.assign(0)
        chunk = scene.chunk({"key": "k"})
        assert not scene.keeper.is_ready(chunk)
        await scene.keeper.wait_for(chunk)
        assert scene.keeper.is_ready(chunk)

    asyncio.run(work())


def test_interned_audiences_take_few_bytes():
    """A dozen bytes each, whatever their names."""
    interned = Interned()
    known = join({}, [audience(f"{number}" * 36, name="A long name " * 5) for number in range(3)], RECEIVED)
    assert len(interned.pack(known)) == 36
    assert interned.unpack(interned.pack(known)) == known
