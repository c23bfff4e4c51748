"""From an event to an ExperienceEvent that may leave: mapped, its identities ruled, its required fields there.

Required are ``_id`` (text, a URI reference), ``timestamp`` (a date-time from 1970 on) and an identityMap with a primary.
A timestamp in the future gets a finding and leaves: AEP documents no reaction, and clocks of devices run ahead.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, runtime_checkable

from bridge.mapping.values.expected import Expecting
from bridge.model.verdicts import Rejected, Stage
from bridge.xdm.identity.identity_map import Dropped, IdentityRules, number_as_text
from bridge.xdm.problems import DroppedValue, EventFinding, rejection_of
from bridge.xdm.required import is_before_epoch, is_uri_reference, match_plain_id, parse_date_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.settings import MappingSettings

FUTURE_TOLERANCE: Final = timedelta(minutes=5)
PLAUSIBLE_SINCE: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""MoEngage was founded in 2014: a timestamp before 2000 is an epoch in another unit than the mapping takes it for."""
_TIMESTAMPS: Final = 4_096


Remark = EventFinding | DroppedValue
_Mapped = tuple[dict[str, Any], "Sequence[NulledAttribute]", bool, "Sequence[Remark]"]
"""What came of the mapping set, its warnings, whether its identityMap is ruled, and what the check of a schema within it said."""


class NulledAttribute(Protocol):
    """What a mapping warns of: an attribute that it nulled."""

    @property
    def row(self) -> int:
        """Line of the mapping set's file."""

    @property
    def destination(self) -> str:
        """XDM path that the row writes."""

    @property
    def reason(self) -> str:
        """Why it is null."""


class Mapper(Protocol):
    """A compiled mapping set."""

    @property
    def sha256(self) -> str:
        """Digest of the mapping set."""

    def apply(self, event: dict[str, Any]) -> tuple[dict[str, Any], Sequence[NulledAttribute]]:
        """Give a fresh XDM object and the attributes that were nulled."""


@runtime_checkable
class Delivering(Protocol):
    """A compiled mapping set that can give its events ready for encoding, cheaper (``CompiledMapping.for_delivery``)."""

    def for_delivery(
        self, identities: Callable[[Sequence[str]], Callable[..., Any] | None]
    ) -> Callable[[dict[str, Any]], _Mapped]:
        """A function that gives what ``apply`` does, whether its identityMap is ruled already, and no remarks."""


@runtime_checkable
class Fusing(Protocol):
    """A compiled mapping set that can hold its values to a schema as it writes them (``CompiledMapping.checked``)."""

    def checked(
        self,
        identities: Callable[[Sequence[str]], Callable[..., Any] | None],
        expected: Callable[[tuple[str, ...]], Any],
    ) -> Callable[[dict[str, Any]], _Mapped | None]:
        """A function that gives what ``for_delivery`` and the check of the schema give, or null."""


class Checker(Protocol):
    """A compiled schema."""

    def check(self, xdm: dict[str, Any]) -> tuple[dict[str, Any], Sequence[Remark], Sequence[EventFinding]]:
        """Give the coerced XDM, findings, and the violations that AEP would refuse it for."""


class Built(NamedTuple):
    """What became of one event.

    ``xdm`` is there even when the event is rejected, as far as it got. ``warnings``: attributes that the mapping nulled.
    ``findings``: coercions, dropped values and oddities that do not keep the event from leaving.
    """

    xdm: dict[str, Any]
    warnings: Sequence[NulledAttribute]
    dropped_identities: Sequence[Dropped]
    rejection: Rejected | None
    findings: Sequence[Remark] = ()


_new = tuple.__new__
"""Half the cost of a named tuple's own constructor."""


class ExperienceEvents:
    """Builds ExperienceEvents with one mapping set, one priority list of namespaces and, where given, one schema.

    ``clock``: seconds since the epoch. ``build`` depends on nothing else, raises nothing, and never changes the event; what
    it gives may share objects with the event.
    """

    __slots__ = (
        "_check",
        "_checked",
        "_clock",
        "_identities",
        "_map",
        "_past",
        "_right",
        "_settings",
        "mapping",
        "schema",
    )

    def __init__(
        self,
        mapping: Mapper,
        settings: MappingSettings,
        schema: Checker | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.mapping = mapping
        self.schema = schema
        self._settings = settings
        self._map = _for_delivery(mapping, settings.primary_identity)
        self._check = None if schema is None else schema.check
        self._identities = IdentityRules(settings.primary_identity).apply
        self._clock = clock
        # Zulu timestamps up to here are not in the future; the clock is asked only when one lies beyond.
        self._past = ""
        self._right: set[str] = set()
        self._checked = _checking(mapping, settings.primary_identity, schema, self._right)

    def build(self, event: dict[str, Any]) -> Built:
        """``event`` (canonical) as an ExperienceEvent, or the reason why it may not leave."""
        made = None if self._checked is None else self._checked(event)
        return self._ruled(self._map(event), self._check) if made is None else self._ruled(made, None)

    def straight(self) -> Callable[[dict[str, Any]], dict[str, Any] | Built]:
        """A function that gives the ExperienceEvent alone where nothing is to be said of it, else what :meth:`build` gives."""
        if self._checked is None and self._check is not None:
            return self.build
        make, whole, check = self._checked or self._map, self._map, self._check
        rule, right = self._ruled, self._right

        def straight(event: dict[str, Any]) -> dict[str, Any] | Built:
            made = make(event)
            if made is None:
                return rule(whole(event), check)
            xdm, warnings, ruled, findings = made
            if (
                ruled
                and not warnings
                and not findings
                and type(timestamp := xdm.get("timestamp")) is str
                and timestamp in right
                and type(event_id := xdm.get("_id")) is str
                and match_plain_id(event_id) is not None
            ):
                return xdm
            return rule(made, None)

        return straight

    def _ruled(self, made: _Mapped, check: Callable[..., Any] | None) -> Built:
        """What was mapped, held to the rules of every ExperienceEvent, and to the schema where ``check`` is given."""
        xdm, warnings, ruled, findings = made
        dropped: Sequence[Dropped] = ()
        rejection: Rejected | None = None
        if not ruled:
            identity_map, dropped, rejection = self._identities(xdm.get("identityMap"))
            if identity_map:
                xdm["identityMap"] = identity_map
            else:
                xdm.pop("identityMap", None)
        if check is not None:
            xdm, findings, violations = check(xdm)
            if violations and rejection is None:
                rejection = rejection_of(violations)
        timestamp: Any = xdm.get("timestamp")
        # Neighbours share their second: what has been found right once need not be taken apart again.
        if type(timestamp) is not str or timestamp not in self._right:
            moment = parse_date_time(timestamp) if type(timestamp) is str else None
            if moment is None or is_before_epoch(moment):
                rejection = _refused_timestamp(timestamp, moment, warnings)
            elif timestamp > self._past or timestamp[-1] != "Z" or moment < PLAUSIBLE_SINCE:
                findings = self._about_the_time(moment, findings)
            else:
                if len(self._right) >= _TIMESTAMPS:
                    self._right.clear()
                self._right.add(timestamp)
        event_id = xdm.get("_id")
        if type(event_id) is not str or not event_id or not is_uri_reference(event_id):
            rejection = _refused_id(xdm, warnings) or rejection
        if rejection is not None and findings:
            findings = [one for one in findings if type(one) is EventFinding]
        return _new(Built, (xdm, warnings, dropped, rejection, findings))

    def unmapped(self) -> ExperienceEvents:
        """What holds an ExperienceEvent that is mapped already to the same rules."""
        return ExperienceEvents(_AsItIs(self.mapping.sha256), self._settings, self.schema, clock=self._clock)

    def _about_the_time(self, moment: datetime, findings: Sequence[Remark]) -> Sequence[Remark]:
        if moment < PLAUSIBLE_SINCE:
            reason = f"the timestamp lies before {PLAUSIBLE_SINCE.year}: rather seconds where milliseconds are wanted"
            return *findings, EventFinding("#/timestamp", "timestamp_implausible", reason)
        limit = datetime.fromtimestamp(self._clock(), UTC) + FUTURE_TOLERANCE
        self._past = limit.strftime("%Y-%m-%dT%H:%M:%S")
        if moment <= limit:
            return findings
        return *findings, EventFinding("#/timestamp", "timestamp_future", "the timestamp lies in the future")


@dataclass(frozen=True, slots=True)
class _AsItIs:
    """A mapping that changes nothing (:class:`Mapper`)."""

    sha256: str

    def apply(self, event: dict[str, Any]) -> tuple[dict[str, Any], Sequence[NulledAttribute]]:
        """The event."""
        return event, ()


def _for_delivery(mapping: Mapper, priority: Sequence[str]) -> Callable[[dict[str, Any]], _Mapped]:
    if isinstance(mapping, Delivering):
        from bridge.xdm.identity.plain import plain_identities  # noqa: PLC0415 - whoever has such a mapping has its room loaded

        return mapping.for_delivery(lambda namespaces: plain_identities(namespaces, priority))
    return lambda event: (*mapping.apply(event), False, ())


def _checking(
    mapping: Mapper, priority: Sequence[str], schema: Checker | None, seen: set[str]
) -> Callable[[dict[str, Any]], _Mapped | None] | None:
    """Mapping and check in one, where both can; null for an event of which the whole check has to say what is wrong."""
    fusing: Fusing | None = mapping if isinstance(mapping, Fusing) else None
    expecting: Expecting | None = schema if isinstance(schema, Expecting) else None
    if fusing is None or expecting is None:
        return None
    from bridge.xdm.identity.plain import plain_identities  # noqa: PLC0415 - as above

    return fusing.checked(
        lambda namespaces: plain_identities(namespaces, priority), lambda names: expecting.expected(names, seen)
    )


def _refused_timestamp(timestamp: Any, moment: datetime | None, warnings: Sequence[NulledAttribute]) -> Rejected:
    if timestamp is None:
        return _missing("timestamp", warnings)
    if moment is not None:
        fault = "lies before 1970"
    elif type(timestamp) is str:
        fault = "is not a date-time such as 2024-11-12T14:20:00Z (seconds, then Z or an offset with a colon)"
    else:
        fault = "is not text; an epoch becomes a date-time by dformat(milliseconds, \"yyyy-MM-dd'T'HH:mm:ssX\")"
    return Rejected(Stage.CHECK, "timestamp_invalid", f"#/timestamp {fault}")


def _refused_id(xdm: dict[str, Any], warnings: Sequence[NulledAttribute]) -> Rejected | None:
    """Why ``_id`` is refused; a whole number becomes text as Data Prep makes it, and passes."""
    event_id = xdm.get("_id")
    if event_id is None:
        return _missing("_id", warnings)
    if event_id == "":
        fault = "is empty"
    elif type(event_id) is str:
        fault = (
            "is not a URI reference (blanks, quotes and early colons are not allowed); hash it, for example sha256(id)"
        )
    else:
        text, reason = number_as_text(event_id)
        if reason is None:
            xdm["_id"] = text
            return None
        fault = "is neither text nor a whole number"
    return Rejected(Stage.CHECK, "id_invalid", f"#/_id {fault}")


def _missing(path: str, warnings: Sequence[NulledAttribute]) -> Rejected:
    because = next((f": row {nulled.row}: {nulled.reason}" for nulled in warnings if nulled.destination == path), "")
    return Rejected(Stage.CHECK, "required_missing", f"#/{path} is required and null{because}")
