"""What is remembered in few bytes is what a set and a dictionary would remember."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tally import Accepted, Digests, Ids, Numbers

from bridge.emulators.adobe.received import Received
from bridge.testing.numbered_events import number_of, uuid_of

_IDS = st.one_of(
    st.integers(0, 200_000).map(uuid_of), st.sampled_from(["", "nobody", uuid_of(0)[:-1], uuid_of(0) + "0"])
)


@given(st.lists(st.integers(0, 300_000), max_size=30))
def test_numbers_are_a_set(numbers):
    """Adding tells what is new; count, members and order are a set's."""
    found, plain = Numbers(), set()
    for number in numbers:
        assert found.add(number) is (number not in plain)
        plain.add(number)
    assert (len(found), list(found)) == (len(plain), sorted(plain))
    assert all((number in found) is (number in plain) for number in (*numbers, 7, 300_001, -1))


@given(st.lists(st.tuples(_IDS, st.binary(min_size=8, max_size=8)), max_size=30))
def test_digests_are_a_dictionary(entries):
    """The first digest of an id stays; ids that are made of no number are remembered all the same."""
    found, plain = Digests(), {}
    for identifier, digest in entries:
        assert found.setdefault(identifier, digest) == plain.setdefault(identifier, digest)
    assert dict(found) == plain
    assert len(found) == len(plain)
    assert all(identifier in found for identifier in plain)
    assert "someone else" not in found
    with pytest.raises(KeyError):
        found[uuid_of(200_001)]


def test_an_id_with_a_huge_number_reserves_no_memory_for_it():
    """It is taken as any other id."""
    found = Digests()
    found[uuid_of(2**47)] = bytes(8)
    assert (list(found), len(found._digests)) == ([uuid_of(2**47)], 0)


def test_the_emulator_counts_the_same_with_either():
    """Repetitions and conflicts of payload are seen, and the judge's view tells how often each came."""
    lean, plain = Received(payloads=0), Received(payloads=0)
    lean.fingerprints = Digests()
    rng = random.Random(3)
    for _ in range(500):
        number = rng.randrange(200)
        for received in (lean, plain):
            received.add(uuid_of(number), {"_id": number, "changed": number == 7 and received.events % 2})
    assert lean.summary() == plain.summary()
    assert lean.conflicting == plain.conflicting
    accepted = Accepted(lean)
    assert {key: accepted[key] for key in accepted} == {
        key: (plain.times(key), digest) for key, digest in plain.fingerprints.items()
    }


@given(st.integers(0, 2**48 - 1))
def test_a_number_is_read_back_from_its_id(number):
    """And from nothing that only looks like it."""
    assert number_of(uuid_of(number)) == number
    assert number_of(uuid_of(number).upper().replace("6F1D", "6F1E")) is None
    assert number_of(uuid_of(number)[:-1] + "+") is None


def test_ids_are_a_set_of_ids():
    """Ours and foreign ones, each once, and none is ever taken out."""
    ids = Ids()
    for one in (uuid_of(3), "foreign", uuid_of(3), uuid_of(70_000)):
        ids.add(one)
    assert sorted(ids) == sorted({uuid_of(3), uuid_of(70_000), "foreign"})
    assert len(ids) == 3
    assert uuid_of(3) in ids
    assert uuid_of(4) not in ids
    assert "other" not in ids
    with pytest.raises(TypeError):
        ids.discard("foreign")
