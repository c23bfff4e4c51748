"""What later owners of a partition know, whatever earlier ones still write, and whatever compaction takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.worker.accepted_state.fenced_state import FencedState, OtherPartitionsError


class Log:
    """One partition of a compacted topic."""

    def __init__(self):
        self.records, self.end = [], 0

    def append(self, entries):
        """Write entries in their order."""
        for key, value in entries:
            self.records.append((self.end, key, value))
            self.end += 1

    def compact(self, upto):
        """Keep of what lies before an offset the last record of each key, and no deletion."""
        newest = {key: offset for offset, key, _ in self.records if offset < upto}
        self.records = [
            (offset, key, value)
            for offset, key, value in self.records
            if offset >= upto or (newest[key] == offset and value is not None)
        ]

    def since(self, offset):
        """What is read from an offset on."""
        return [record for record in self.records if record[0] >= offset]


class Owner:
    """One that holds the partition, or thinks so."""

    def __init__(self, log, token, state=None):
        self.log = log
        self.state = state or FencedState(lambda stored: stored, 3)
        log.append([self.state.claim(token)])
        self.state.read(log.since(self.state.next), log.end)
        assert self.state.owned

    def store(self, key, value):
        """Write, and note it once it is confirmed."""
        self.log.append([self.state.entry(key, value)])
        outdated = self.state.stored(key, value)
        if outdated is not None:
            self.log.append([outdated])


def test_a_value_is_found_by_the_next_owner():
    """With the number of keys and bytes that are kept."""
    log = Log()
    first = Owner(log, b"1")
    first.store(b"k", b"abc")
    first.store(b"k", b"de")
    first.store(b"l", b"f")
    second = Owner(log, b"2")
    for owner in (first, second):
        assert (owner.state.value(b"k"), owner.state.value(b"l"), owner.state.value(b"m")) == (b"de", b"f", None)
        assert (len(owner.state), owner.state.size) == (2, 5)


def test_an_owner_of_before_writes_beside_the_later_one():
    """Its record is the last of all, and after compaction the later owner's is still there."""
    log = Log()
    zombie = Owner(log, b"1")
    zombie.store(b"k", b"first")
    owner = Owner(log, b"2")
    owner.store(b"k", b"newer")
    log.append([zombie.state.entry(b"k", b"late")])
    log.compact(log.end)
    assert Owner(log, b"3").state.value(b"k") == b"newer"
    assert Owner(log, b"4", zombie.state).state.value(b"k") == b"newer"


def test_a_claim_that_never_arrived_owns_nothing():
    """Nor does one that compaction has taken for a later one's."""
    log = Log()
    state = FencedState(bytes, 3)
    entry = state.claim(b"mine")
    state.read([], 0)
    assert not state.owned
    log.append([entry, FencedState(bytes, 3).claim(b"theirs")])
    log.compact(log.end)
    state.read(log.since(0), log.end)
    assert not state.owned


def test_a_deletion_takes_what_its_own_owner_had_written():
    """And nothing of an owner before or after, nor of a key that nobody knows; the key may be empty."""
    state = FencedState(bytes, 3)
    early, late = bytes(7) + b"\x01", bytes(7) + b"\x02"
    state.read([(0, early + b"", b"v"), (1, early + b"k", b"abc"), (2, late + b"l", b"w"), (3, early + b"m", b"x")], 4)
    assert (len(state), state.size) == (4, 1 + 4 + 2 + 2)
    state.read([(4, early + b"k", None), (5, early + b"l", None), (6, late + b"m", None), (7, late + b"n", None)], 8)
    assert [state.value(key) for key in (b"", b"k", b"l", b"m", b"n")] == [b"v", None, b"w", b"x", None]
    assert (len(state), state.size, state.next) == (3, 1 + 2 + 2, 8)


def test_a_short_key_that_claims_nothing_is_passed_over():
    """A record that somebody else left there."""
    state = FencedState(bytes, 3)
    state.read([(0, b"note", b"x"), (1, *state.claim(b"mine"))], 2)
    assert state.owned
    assert len(state) == 0


def test_another_number_of_partitions_is_refused():
    """The customers were in other partitions then."""
    log = Log()
    Owner(log, b"1")
    with pytest.raises(OtherPartitionsError):
        FencedState(bytes, 4).read(log.since(0), log.end)


def test_a_topic_that_was_made_again():
    """What is known stays and is stored with its next change; whatever is read counts more."""
    log = Log()
    owner = Owner(log, b"1")
    owner.store(b"k", b"v")
    owner.store(b"l", b"w")
    owner.state.begin_anew()
    assert (owner.state.value(b"k"), owner.state.next, owner.state.size) == (b"v", 0, 4)
    assert not owner.state.is_stored(b"k", b"v")
    anew = Log()
    Owner(anew, b"2").store(b"l", b"newer")
    again = Owner(anew, b"3", owner.state)
    assert (again.state.value(b"k"), again.state.value(b"l")) == (b"v", b"newer")
    assert again.state.is_stored(b"l", b"newer")
    assert not again.state.is_stored(b"l", b"older")
    assert not again.state.is_stored(b"m", b"newer")
    again.store(b"k", b"more")
    assert Owner(anew, b"4").state.value(b"k") == b"more"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take over"), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("store"), st.integers(0, 1), st.sampled_from([b"k", b"l"])),
        st.tuples(st.just("late"), st.integers(0, 9), st.sampled_from([b"k", b"l"])),
        st.tuples(st.just("compact"), st.floats(0, 1), st.none()),
    ),
    max_size=40,
)


@given(STEPS)
def test_whoever_takes_over_knows_what_the_owner_before_had_stored(steps):
    """Owners come and go, some with what they knew before; old ones go on writing; compaction passes; sizes are counted right."""
    log, written = Log(), []
    owners, own = [Owner(log, b"0")], {}
    taken_over_at = 0

    def write(owner, key, value):
        written.append((owner.state._number, log.end, key, value))

    for number, (what, which, more) in enumerate(steps):
        owner = owners[-1]
        if what == "take over":
            known = owners[which % len(owners)].state if more else None
            owners.append(Owner(log, b"%d" % (number + 1), known))
            own, taken_over_at = {}, log.end
        elif what == "store":
            write(owner, more, own.setdefault(more, b"") or b"v%d" % number)
            own[more] = written[-1][-1]
            owner.store(more, own[more])
        elif what == "late":
            zombies = [each for each in owners[:-1] if each.state is not owner.state]
            if zombies:
                zombie = zombies[which % len(zombies)]
                write(zombie, more, b"late %d" % number)
                log.append([zombie.state.entry(more, b"late %d" % number)])
        else:
            log.compact(int(log.end * which))
        state = owners[-1].state
        for key in (b"k", b"l"):
            # Of the latest owner that had written the key before the claim, the last value; or its own.
            before = [each for each in written if each[2] == key and each[1] < taken_over_at]
            assert state.value(key) == own.get(key, max(before)[-1] if before else None)
        values = [(key, state.value(key)) for key in (b"k", b"l") if state.value(key) is not None]
        assert state.size == sum(len(key) + len(value) for key, value in values)
