"""What lint says of events is what the worker then does with them, whatever the events are."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cli.mapping.inputs import read_documents
from bridge.destinations.aep.destination import open_envelope
from bridge.destinations.aep.transform import XdmTransform
from bridge.kafka.consumer.ledger import Ledger
from bridge.mapping.workshop.event_verdicts import Judge
from bridge.routes.mapping_opening import open_experience_events
from bridge.settings import MappingSettings, Settings
from bridge.sources.moengage.decoder import DECODER
from bridge.telemetry.metrics import Metrics
from bridge.worker.chunk_mapping import ChunkMapping
from bridge.xdm.departure import departing
from bridge.xdm.problems import DroppedValue
from bridge.xdm.rules import RULES
from bridge.xdm.size import SizeRule

ROOT = Path(__file__).parents[3]
AIRLINE = ROOT / "mappings" / "example"
ROWS = """source_type,source,destination
ATTRIBUTE,id,_id
EXPRESSION,"dformat(time * 1000, ""yyyy-MM-dd'T'HH:mm:ssX"")",timestamp
ATTRIBUTE,identities.externalId,identityMap.crm[0].id
STATIC,true,identityMap.crm[0].primary
ATTRIBUTE,identities.email,identityMap.Email[0].id
ATTRIBUTE,user_attributes.loyalty_tier,{tenant}.loyalty.tier
ATTRIBUTE,event_attributes,{tenant}.booking
ATTRIBUTE,user_attributes.points,{tenant}.loyalty.points
"""
ALL = ["drop", "reject"]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
    st.sampled_from(["GOLD", "gold", "K7QX2P", "2", "yes", "03/11/2019", "2026-12-03", "EUR", "AA1"]),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
bookings = st.dictionaries(
    st.sampled_from(["bookingReference", "passengerCount", "currency", "departureDate", "flights", "refundable"]),
    anything,
)
events = st.fixed_dictionaries(
    {},
    optional={
        "event_code": st.just("X") | anything,
        "event_uuid": st.just("e-1") | anything,
        "event_time": st.just(1_731_421_200) | anything,
        "uid": st.just("C-1") | anything,
        "email_id": st.just("a@example.com") | anything,
        "event_attributes": bookings | anything,
        "user_attributes": st.fixed_dictionaries({}, optional={"loyalty_tier": scalars, "points": anything}) | anything,
    },
)
bodies = (
    events
    | st.builds(lambda inner: {"app_name": "a", "events": inner}, st.lists(events | anything, max_size=3))
    | anything
)


@dataclass
class Fates:
    """Delivery and dead letters in one: what became of each event, in order."""

    by_key: bool = False
    fates: dict[int, str] = field(default_factory=dict)
    sent: list[bytes] = field(default_factory=list)

    def offer(self, owner: Any, items: Any, tags: Any = ()) -> None:
        """Events that leave."""
        assert not tags
        self.sent += items
        self.fates |= dict.fromkeys(owner.places[: len(items)], "")

    def put(self, chunk: Any, row: int, part: int | None, rejected: Any, attempts: int) -> None:
        """One that is refused."""
        assert (row, attempts) == (0, 0)
        assert chunk.records
        self.fates[0 if part is None else part + 1] = rejected.code


def worker_fates(document: Any, builder: Any, configured: Settings) -> tuple[list[str], list[bytes], Counter[Any]]:
    """What the worker's own intake decides.

    The code of each event's dead letter, "" for those that leave; what leaves; how often it left out which field for which code.
    """
    ledger, spy = Ledger(), Fates()
    ledger.open(1, {("t", 0): None})
    record = SimpleNamespace(
        value=json.dumps(document).encode(), key=None, timestamp=0, topic="t", partition=0, offset=0, headers=()
    )
    chunk = ledger.register_chunk(("t", 0), 1, [record], 10, first=0, last=0)
    rule = SizeRule(configured.mapping)
    metrics = Metrics()
    transform = XdmTransform(builder, open_envelope(configured).encode, metrics, size=rule)
    ChunkMapping(ledger, DECODER, transform, delivery=spy, letters=spy, metrics=metrics).map_chunk(chunk)
    dropped: Counter[Any] = Counter()
    for family in metrics.dropped_values.collect():
        for sample in family.samples:
            if sample.name.endswith("_total") and sample.value:
                dropped[sample.labels["path"], sample.labels["code"]] += int(sample.value)
    return [spy.fates[at] for at in sorted(spy.fates)], spy.sent, dropped


class Stage:
    """The same files and settings for worker and lint."""

    def __init__(self, tmp: Path, on_invalid: str, batch_bytes: int) -> None:
        path = tmp / f"{on_invalid}.csv"
        path.write_text(ROWS, encoding="utf-8")
        mapping = MappingSettings(
            path=path,
            schema=AIRLINE / "airline.schema.json",
            tenant="_acmeair",
            primary_identity=("crm", "Email"),
            on_invalid=on_invalid,
            event_bytes=1_000,
            oversize="reject",
        )
        self.settings = Settings(mapping=mapping, aep={"batch_bytes": batch_bytes})
        self.builder = open_experience_events(mapping)
        self.depart = departing(self.builder.build, SizeRule(mapping), open_envelope(self.settings).encode)
        self.judge = Judge(
            self.depart, self.builder.mapping.apply, self.builder.mapping.rows, self.builder.schema, rules=RULES
        )


def test_lint_says_what_the_worker_does(tmp_path_factory):
    """Refused or not, and under which code: the same for any event, with either policy for wrong values."""
    tmp = tmp_path_factory.mktemp("verdicts")
    stages = [Stage(tmp, one, 2_000) for one in ALL]

    @settings(max_examples=examples(300), deadline=None)
    @given(bodies, st.sampled_from(stages))
    def holds(document: Any, stage: Stage) -> None:
        # As it arrives: whatever JSON text cannot tell apart is not told apart.
        document = json.loads(json.dumps(document))
        read = read_documents([document])
        fates, sent, dropped = worker_fates(document, stage.builder, stage.settings)
        verdicts = [stage.judge.verdicts([one.given]) for one in read]
        assert [one.refused == 1 for one in verdicts] == [bool(fate) for fate in fates]
        for one, fate in zip(verdicts, fates, strict=True):
            codes = [group.code for group in one.groups if group.outcome == "refused"]
            assert (fate in codes) if fate else codes == []
        # What lint and preview show of those that leave is what leaves, to the byte, and what is left out is what is counted.
        built = [stage.depart(one.event) for one in read if one.refusal is None]
        assert sent == [orjson.dumps(one.xdm) for one in built if one.rejection is None]
        lost = Counter((each.field, each.code) for one in built for each in one.findings if type(each) is DroppedValue)
        assert lost == dropped
        told = {(group.path, group.code) for one in verdicts for group in one.groups if group.outcome == "lost"}
        assert {code for _, code in lost} <= {code for _, code in told}
        together = stage.judge.verdicts([one.given for one in read])
        assert (together.events, together.refused) == (len(fates), sum(map(bool, fates)))
        assert any(finding.severity == "error" for finding in together.findings()) == any(fates)

    holds()
