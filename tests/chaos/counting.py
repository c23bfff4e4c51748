"""The judge: what was promised against what arrived, event by event. Pure.

Every event has a number; number and nothing else decides what it looks like and what must become of it. ``judge`` is told
which numbers the receiver answered 200 for, what AEP accepted and what lies in the dead letters, and finds whatever is
lost, changed, invented, repeated, or set aside without a reason that this test gave.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from guarded_mapping import TEXT

from bridge.emulators.adobe import fingerprint
from bridge.model.event import Refusal
from bridge.sources.moengage.envelopes import events_of
from bridge.testing.later_refusals import CODE, LATER
from bridge.testing.numbered_events import event, number_of, uuid_of

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence

    from bridge.xdm.experience_event import ExperienceEvents

REFUSAL = "refused by the chaos test"
"""What the emulator says when it is told to refuse an event for good; a dead letter of the delivery must quote it."""
_EVERY = 500
_TIMELESS = 77
_NO_EVENT = 177
_LATE = 277


def numbered(number: int, backtracking: Container[int] = ()) -> dict[str, Any]:
    """Event ``number`` in MoEngage's batch.

    One in 500 cannot be mapped (no time), one is no event at all, and one is refused by AEP after its 200.
    Those of ``backtracking`` have a text that a regular expression of the mapping set would take days for.
    """
    if number in backtracking:
        return event(number, search=TEXT)
    if number % _EVERY == _NO_EVENT:
        return {"number": number, "note": "neither a code nor a name nor an id"}
    if number % _EVERY == _TIMELESS:
        return event(number, event_time=None)
    made = event(number, note="y" * (number * 7919 % 1500))
    if is_late(number):
        made["event_attributes"]["campaign_name"] = LATER
    return made


def is_deliverable(number: int) -> bool:
    """Whether AEP should get the event, when it refuses nothing."""
    return number % _EVERY not in (_TIMELESS, _NO_EVENT)


def is_late(number: int) -> bool:
    """Whether AEP takes the event and refuses it afterwards."""
    return number % _EVERY == _LATE


def envelope(numbers: Iterable[int], backtracking: Container[int] = ()) -> dict[str, Any]:
    """The batch that carries these events, as MoEngage posts it; ``backtracking`` as for :func:`numbered`."""
    return {
        "app_name": "Northwind",
        "source": "MOENGAGE",
        "moe_request_id": "00000000-0000-4000-8000-000000000000",
        "events": [numbered(number, backtracking) for number in numbers],
    }


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the dead-letter topic, as stored."""

    value: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class Findings:
    """What the judge found; ``faults`` in it is empty when every promise was kept. Numbers of events, a few of each kind."""

    promised: int = 0
    accepted: int = 0
    dead_letters: int = 0
    repeated_by_aep: int = 0
    repeated_in_dead_letters: int = 0
    lost: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)

    @property
    def duplicates(self) -> int:
        """How often an event reached an end beyond its first: accepted again, set aside again, or both."""
        return self.repeated_by_aep + self.repeated_in_dead_letters

    @property
    def wrong(self) -> dict[str, list[Any]]:
        """What may not be, by kind, with examples; empty when every promise was kept."""
        kinds = {"lost": self.lost, "changed": self.changed, "invented": self.invented, "unexplained": self.unexplained}
        return {kind: found[:5] for kind, found in kinds.items() if found}


def judge(
    promised: Collection[int],
    sent: int,
    accepted: Mapping[str, tuple[int, bytes]],
    letters: Sequence[DeadLetter],
    builder: ExperienceEvents,
    *,
    dataset: Container[str] | None = None,
    digests: Iterable[bytes | None] | None = None,
    hanging: Collection[int] = (),
    backtracking: Container[int] = (),
) -> Findings:
    """Compare. ``sent``: numbers below it were posted at least once; ``accepted``: _id -> (times, digest of the payload).

    ``dataset``: ids of what is in AEP for good; None where nothing happens to what was accepted.

    ``digests``, when they are known already: those that are right, of number 0 on (:func:`expected`). ``hanging``: events
    that were made to hold whoever maps them; ``backtracking`` as for :func:`numbered`.
    """
    findings = Findings(promised=len(promised), accepted=len(accepted), dead_letters=len(letters))
    set_aside: Counter[int] = Counter()
    for letter in letters:
        number, fault = _read(letter, sent, builder, hanging, backtracking)
        if fault is not None:
            findings.unexplained.append(fault)
        if number is not None:
            set_aside[number] += 1
    known = 0
    right = expected(range(sent), builder, backtracking) if digests is None else digests
    for number, wanted in zip(range(sent), right, strict=True):
        found = accepted.get(uuid_of(number))
        if found is not None:
            known += 1
            findings.repeated_by_aep += found[0] - 1
            if found[1] != wanted:
                findings.changed.append(number)
        # Refused later, each time that AEP took it may come back.
        ends = min(set_aside[number], found[0] if found is not None and is_late(number) else found is None)
        findings.repeated_in_dead_letters += set_aside[number] - ends
        arrived = found is not None if dataset is None else uuid_of(number) in dataset
        if not arrived and number not in set_aside and number in promised:
            findings.lost.append(number)
    if known != len(accepted):
        findings.invented = [each for each in accepted if (number := number_of(each)) is None or number >= sent]
    return findings


def expected(
    numbers: Iterable[int], builder: ExperienceEvents, backtracking: Container[int] = ()
) -> Iterator[bytes | None]:
    """Of each event the digest of the payload that AEP must have; None when it must have none."""
    for number in numbers:
        (canonical,) = events_of(envelope([number], backtracking))
        built = None if isinstance(canonical, Refusal) else builder.build(canonical)
        passes = built is not None and built.rejection is None
        yield bytes.fromhex(fingerprint(built.xdm)) if passes else None


def _read(
    letter: DeadLetter, sent: int, builder: ExperienceEvents, hanging: Collection[int], backtracking: Container[int]
) -> tuple[int | None, str | None]:
    """Number of a dead letter, and what is wrong with it: an unknown event, a changed one, or a reason nobody gave."""
    if letter.headers.get("bridge.form") == "xdm":
        return _read_xdm(letter, sent, builder)
    (found,) = events_of(document := orjson.loads(letter.value)) or (None,)
    if isinstance(found, Refusal):
        number = document["events"][0].get("number") if "events" in document else None
    else:
        number = int(found["event_attributes"]["number"])
    if number is None or not 0 <= number < sent:
        return None, f"a dead letter of an unknown event: {letter.headers.get('bridge.reason')}"
    (original,) = events_of(envelope([number], backtracking))
    told = (letter.headers.get("bridge.stage"), letter.headers.get("bridge.code"))
    if isinstance(original, Refusal):
        fits = document["events"] == [numbered(number)] and told == ("receive", original.code)
    elif found != original:
        fits = False
    elif (rejection := builder.build(original).rejection) is not None:
        fits = told == (str(rejection.stage), rejection.code)
    elif number in hanging and told == ("map", "hung"):
        fits = True
    elif told == ("ingest", CODE):
        fits = is_late(number)
    else:
        fits = told[0] == "deliver" and REFUSAL in letter.headers.get("bridge.reason", "")
    return number, None if fits else f"event {number} was set aside as {told}: {letter.headers.get('bridge.reason')}"


def _read_xdm(letter: DeadLetter, sent: int, builder: ExperienceEvents) -> tuple[int | None, str | None]:
    """The same of what came back from AEP, where the event was no longer in Kafka."""
    event = orjson.loads(letter.value)
    number = number_of(event.get("_id", ""))
    if number is None or number >= sent:
        return None, f"a dead letter of an unknown event: {letter.headers.get('bridge.reason')}"
    told = (letter.headers.get("bridge.stage"), letter.headers.get("bridge.code"))
    (wanted,) = expected([number], builder)
    fits = is_late(number) and told == ("ingest", CODE) and bytes.fromhex(fingerprint(event)) == wanted
    return number, None if fits else f"event {number} came back as {told}: {letter.headers.get('bridge.reason')}"
