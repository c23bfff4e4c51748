"""The intake: each event on its own, whatever a record holds."""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from bridge.destinations.aep.transform import RawTransform, XdmTransform
from bridge.kafka.consumer.ledger import Ledger
from bridge.model.verdicts import Rejected, Stage
from bridge.sources.moengage.decoder import DECODER
from bridge.telemetry.metrics import Metrics
from bridge.worker.chunk_mapping import ChunkMapping, why_unreadable
from bridge.worker.event_places import place, row_and_part
from bridge.xdm.experience_event import Built
from bridge.xdm.identity.identity_map import Dropped


@dataclass
class Spy:
    """Delivery and dead letters in one."""

    by_key: bool = False
    items: list = field(default_factory=list)
    tags: list = field(default_factory=list)
    letters: list = field(default_factory=list)

    def offer(self, owner, items, tags=()):
        """Encoded events of a chunk."""
        self.items += [(items[i], owner.places[i]) for i in range(len(items))]
        self.tags += tags

    def put(self, chunk, row, part, rejected, attempts):
        """A refused event."""
        self.letters.append((row, part, rejected.stage, rejected.code))
        assert attempts == 0
        assert chunk.records[row] is not None


class _Warning(SimpleNamespace):
    pass


class _Unmapping:
    """What :class:`_Builder` checks of an event that is mapped already."""

    def build(self, event):
        if event.get("explode"):
            raise ZeroDivisionError
        return Built(event, (), (), Rejected(Stage.CHECK, "no", "reason") if event.get("refuse") else None)


class _Builder:
    """Maps an event to its id; ``explode``, ``refuse`` and ``warn`` in the event do as they say."""

    def unmapped(self):
        return _Unmapping()

    def build(self, event):
        if event.get("explode"):
            raise ZeroDivisionError(event["event_uuid"])
        rejection = Rejected(Stage.CHECK, "no", "reason") if event.get("refuse") else None
        warnings = [_Warning(row=7)] if event.get("warn") else []
        dropped = [Dropped("ECID", "ecid_malformed")] if event.get("warn") else []
        return Built({"_id": event["event_uuid"]}, warnings, dropped, rejection)


_BUILDER = _Builder()


def _encode(event):
    return json.dumps(event).encode()


def _intake(ledger, builder, spy, metrics, encode=_encode):
    transform = RawTransform(encode) if builder is None else XdmTransform(builder, encode, metrics)
    return ChunkMapping(ledger, DECODER, transform, delivery=spy, letters=spy, metrics=metrics)


def _take(values, builder=_BUILDER, by_key=False, keys=None, hung=frozenset(), *, headers=None, partition=0):
    ledger, spy, metrics = Ledger(), Spy(by_key), Metrics()
    ledger.open(1, {("t", partition): None})
    records = [
        SimpleNamespace(
            value=v,
            key=(keys or {}).get(n),
            timestamp=n,
            topic="t",
            partition=partition,
            offset=n,
            headers=(headers or {}).get(n, ()),
        )
        for n, v in enumerate(values)
    ]
    chunk = ledger.register_chunk(("t", partition), 1, records, 10, first=0, last=len(records) - 1)
    _intake(ledger, builder, spy, metrics).map_chunk(chunk, hung)
    return ledger, spy, metrics, chunk


def _event(uuid, **more):
    return json.dumps({"event_uuid": uuid, "event_code": "X", **more}).encode()


def test_every_event_goes_one_way_and_the_others_go_on():
    """JSON, no JSON, a tombstone, an array, a batch with one refused and one that makes code fail: each its own fate."""
    batch = json.dumps({"events": [{"event_uuid": "b0"}, {"event_uuid": "b1", "refuse": 1}, 5]}).encode()
    values = [_event("a"), b"{no", None, b"[7]", batch, _event("c", explode=1), _event("d", warn=1), b'{"events": []}']
    ledger, spy, metrics, chunk = _take(values)
    assert [(json.loads(item)["_id"], row_and_part(at)) for item, at in spy.items] == [
        ("a", (0, None)),
        ("b0", (4, 0)),
        ("d", (6, None)),
    ]
    assert spy.letters == [
        (1, None, "decode", "not_json"),
        (3, None, "decode", "not_an_object"),
        (4, 1, "check", "no"),
        (4, 2, "decode", "not_an_object"),
        (5, None, "map", "internal_error"),
    ]
    assert ledger.events == chunk.unresolved == 8
    assert metrics.mapping_warnings.labels("7")._value.get() == 1
    assert metrics.identities_dropped.labels("ecid_malformed")._value.get() == 1
    assert metrics.consumed_records._value.get() == 8


def test_an_event_of_a_batch_is_named_by_its_place():
    """Also behind one that is no event."""
    _, spy, _, _ = _take([b'{"events": [5, {"event_uuid": "a", "refuse": 1}, 6, {"event_uuid": "b"}]}'])
    assert [(row, part, code == "no") for row, part, _, code in spy.letters] == [
        (0, 0, False),
        (0, 1, True),
        (0, 2, False),
    ]
    assert [row_and_part(at) for _, at in spy.items] == [(0, 3)]


def test_an_event_that_is_mapped_to_nothing_is_refused():
    """Neither sent nor refused it would be gone, and its offset committed."""
    ledger, spy, metrics = Ledger(), Spy(), Metrics()
    ledger.open(1, {("t", 0): None})
    records = [
        SimpleNamespace(value=b'{"event_code":"A","event_uuid":"a"}', key=None, timestamp=0, offset=0, headers=())
    ]
    chunk = ledger.register_chunk(("t", 0), 1, records, 1, first=0, last=0)
    transform = SimpleNamespace(apply=lambda _event: [], tally=lambda: None, mapping=None)
    ChunkMapping(ledger, DECODER, transform, delivery=spy, letters=spy, metrics=metrics).map_chunk(chunk)
    assert spy.letters == [(0, None, Stage.MAP, "internal_error")]
    assert (ledger.events, ledger.committable()) == (1, {})


def test_what_was_replayed_as_xdm_is_checked_and_not_mapped():
    """By its header: taken as it is, refused where the rules refuse it; an event beside it without the header is mapped."""
    xdm = (("bridge.replays", b"1"), ("bridge.form", b"xdm"))
    values = [b'{"_id":"x","kept":1}', b'{"_id":"y","refuse":1}', b"[]", _event("a"), b'{"_id":"z","explode":1}']
    ledger, spy, metrics, _ = _take(values, headers=dict.fromkeys((0, 1, 2, 4), xdm) | {3: (("bridge.form", None),)})
    assert [(json.loads(item), row_and_part(at)) for item, at in spy.items] == [
        ({"_id": "x", "kept": 1}, (0, None)),
        ({"_id": "a"}, (3, None)),
    ]
    assert spy.letters == [
        (1, None, "check", "no"),
        (2, None, "decode", "not_json"),
        (4, None, "check", "internal_error"),
    ]
    assert (ledger.events, metrics.mapped_events._value.get()) == (5, 1)


def test_a_route_whose_dataflow_maps_takes_no_xdm():
    """With payload raw the event becomes a dead letter that says so."""
    _, spy, _, _ = _take([b'{"_id":"x"}'], builder=None, headers={0: (("bridge.form", b"xdm"),)})
    assert (spy.items, spy.letters) == ([], [(0, None, "decode", "xdm_not_taken")])


def test_an_internal_error_tells_its_type_and_no_payload():
    """The reason of a surprise names the exception's type only."""
    seen = []
    _, spy, _, _ = _take([_event("very-secret", explode=1)])
    spy.put = lambda *args: seen.append(args[3].reason)
    assert spy.letters == [(0, None, "map", "internal_error")]
    from bridge.worker.chunk_mapping import _unexpected

    assert _unexpected(Stage.MAP, ZeroDivisionError("very-secret")).reason == "unexpected ZeroDivisionError"


def test_a_record_that_ended_processes_is_not_looked_at():
    """It becomes one dead letter, whatever it holds, and its neighbours go on."""
    batch = json.dumps({"events": [{"event_uuid": "b0"}, {"event_uuid": "b1"}]}).encode()
    ledger, spy, metrics, _ = _take([_event("a"), batch, _event("c", explode=1), _event("d")], hung=frozenset({1, 2}))
    assert spy.letters == [(1, None, "map", "hung"), (2, None, "map", "hung")]
    assert [json.loads(item)["_id"] for item, _ in spy.items] == ["a", "d"]
    assert ledger.events == 4
    assert metrics.mapped_events._value.get() == 2


def test_a_rehearsal_does_the_same_work_and_leaves_nothing():
    """Every event is mapped and encoded, also behind one that fails; nothing is delivered, refused or counted."""
    seen, ledger, spy, metrics = [], Ledger(), Spy(), Metrics()
    builder = SimpleNamespace(build=lambda event: seen.append(event["event_uuid"]) or _Builder().build(event))
    encoded = []
    intake = _intake(ledger, builder, spy, metrics, lambda xdm: encoded.append(xdm["_id"]) or b"{}")
    batch = {"events": [{"event_uuid": "x", "explode": 1}, 5, {"event_uuid": "y"}]}
    for value in (json.dumps(batch).encode(), None, b"{no", b"[]"):
        intake.rehearse(SimpleNamespace(value=value, headers=()))
    assert (seen, encoded) == (["x", "y"], ["y"])
    assert (spy.items, spy.letters, ledger.events, metrics.mapped_events._value.get()) == ([], [], 0, 0)


def test_a_chunk_without_events_is_finished_at_once():
    """Tombstones and empty batches leave nothing to wait for."""
    ledger, _, _, _ = _take([None, b'{"events": []}'])
    assert ledger.committable() == {("t", 0): 2}


def test_raw_payloads_are_encoded_as_they_came():
    """Without a builder the canonical event itself is sent."""
    _, spy, _, _ = _take([_event("a", fill="y")], builder=None)
    assert json.loads(spy.items[0][0])["fill"] == "y"


def test_events_of_one_key_share_a_tag():
    """Ordering by key: the tag follows the record's key alone; without a key it is below 0."""
    keys = {n: b"k%d" % (n % 3) for n in range(30)}
    _, spy, _, _ = _take([_event(str(n)) for n in range(30)], by_key=True, keys=keys)
    assert [len({spy.tags[n] for n in range(30) if n % 3 == k}) for k in range(3)] == [1, 1, 1]
    assert len(set(spy.tags)) == 3
    assert min(spy.tags) >= 0
    _, keyless, _, _ = _take([_event("a"), _event("b")], by_key=True)
    assert keyless.tags == [-1, -1]
    _, keyless, _, _ = _take([_event("a")], by_key=True, partition=3)
    assert keyless.tags == [-4]


@given(st.integers(0, 10_000), st.none() | st.integers(0, 2**24 - 2))
def test_places_can_be_undone(row, part):
    """Row and part survive being one integer."""
    assert row_and_part(place(row, part)) == (row, part)


def test_a_closed_chunk_is_not_taken():
    """What was revoked before the agent saw it does nothing."""
    ledger, spy, _, _ = _closed()
    assert not spy.items
    assert ledger.events == 0


def _closed():
    ledger, spy, metrics = Ledger(), Spy(), Metrics()
    ledger.open(1, {("t", 0): None})
    record = SimpleNamespace(value=_event("a"), key=None, timestamp=0)
    chunk = ledger.register_chunk(("t", 0), 1, [record], 10, first=0, last=0)
    ledger.close([("t", 0)])
    _intake(ledger, None, spy, metrics, lambda _: b"").map_chunk(chunk)
    return ledger, spy, metrics, chunk


def test_the_last_event_of_a_chunk_is_looked_at_for_drift():
    """One of each chunk is enough to see what fields come."""
    ledger, spy, looked = Ledger(), Spy(), []
    ledger.open(1, {("t", 0): None})
    records = [SimpleNamespace(value=_event(uuid), key=None, timestamp=0, offset=0, headers=()) for uuid in "ab"]
    chunk = ledger.register_chunk(("t", 0), 1, records, 10, first=0, last=1)
    sketch = SimpleNamespace(look=lambda event: looked.append(event["event_uuid"]))
    transform = RawTransform(_encode)
    ChunkMapping(ledger, DECODER, transform, delivery=spy, letters=spy, metrics=Metrics(), sketch=sketch).map_chunk(
        chunk
    )
    assert looked == ["b"]


def test_what_no_receiver_wrote_is_read_exactly():
    """Digits beyond 64 bits and members of one name survive in records that are not canonical."""
    long = b'{"event_code":"X","event_uuid":"u","uid":12345678901234567890123}'
    twice = b'{"events":[{"event_uuid":"a"}],"events":[{"event_uuid":"b"}]}'
    choice = b'{"event_uuid":"c","uid":"one","uid":"two"}'
    _, spy, _, _ = _take([long, twice, choice], builder=None)
    sent = [json.loads(item) for item, _ in spy.items]
    assert [event["event_uuid"] for event in sent] == ["u", "a", "b"]
    assert sent[0]["identities"] == {"externalId": "12345678901234567890123"}
    assert spy.letters == [(2, None, "decode", "not_json")]


def test_a_batch_that_would_become_too_much_is_one_refusal():
    """A record that amplifies is set aside whole before anything is made of it."""
    bomb = b'{"pad":"' + b"x" * 200_000 + b'","events":[' + b",".join([b'{"event_code":"X"}'] * 1_001) + b"]}"
    _, spy, _, _ = _take([bomb, b"[" + b"{}," * 20_000 + b"1]"])
    assert spy.items == []
    assert spy.letters == [(0, None, "decode", "too_many_events"), (1, None, "decode", "too_many_events")]


def test_what_could_not_be_read_is_one_letter_whatever_its_bytes_are():
    """Also where they would make an event: nobody knows what they are; committed only when the letter is stored."""
    ledger, spy, metrics = Ledger(), Spy(), Metrics()
    ledger.open(1, {("t", 0): None})
    record = SimpleNamespace(value=_event("a"), key=None, timestamp=0, offset=4, headers=())
    chunk = ledger.register_chunk(
        ("t", 0), 1, [record], 10, first=4, last=4, upto=14, unreadable="its checksum does not match"
    )
    intake = _intake(ledger, _BUILDER, spy, metrics)
    for _ in range(2):
        intake.map_chunk(chunk)
    assert spy.letters == [(0, None, Stage.DECODE, "unreadable")]
    assert spy.items == []
    assert why_unreadable(chunk) == "offsets 4 to 13 cannot be read: its checksum does not match"
    assert ledger.committable() == {}
    ledger.resolve(chunk)
    assert ledger.committable() == {("t", 0): 14}
