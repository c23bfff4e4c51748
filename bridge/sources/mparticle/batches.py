"""A batch of mParticle's becomes canonical events: one of its user, and one of each event, in order. Pure.

A canonical event has ``kind``, which no batch has:

========  ==============================================================================================================
``user``  ``attributes`` (custom ones, and consent), ``reserved`` (``firstname``, ``mobile``, … without ``$``),
          ``unset_attributes``
``event``  all members of the event's ``data``, ``event_type``, ``time`` (epoch milliseconds)
========  ==============================================================================================================

Both have ``customer_id`` (the identity that the settings name; null without it), ``identities``, ``mpid``, ``message_id``,
``batch_id``, ``device_info`` and ``application_info`` of the batch. A ``user_attribute_change`` is one of the user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.model.event import LeftOut, Refusal
from bridge.sources.http.json_reading import unwritable
from bridge.sources.mparticle.users import (
    Unclear,
    as_id,
    as_milliseconds,
    clear,
    consent_of,
    deletions_of,
    identities_of,
    split_attributes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.model.event import Event
    from bridge.settings import MParticleSettings

_OF_BATCH: Final = ("device_info", "application_info", "environment", "context", "ip", "source_info")
_BLANK: Final[tuple[Any, ...]] = ([], "")
"""What some emitters write for an empty object."""
_USER_CHANGE: Final = "user_attribute_change"
_NO_OBJECT: Final = Refusal("not_an_object", "a batch is a JSON object")
_NO_BATCH: Final = Refusal(
    "not_a_batch", "it has neither events nor data of a user, so it is not a batch of mParticle's"
)
_OF_USER: Final[Mapping[str, type]] = {"user_attributes": dict, "deleted_user_attributes": list, "consent_state": dict}
_KINDS: Final[Mapping[type, str]] = {dict: "an object", list: "a list"}
_MARKS: Final = ("events", "user_identities", "user_attributes", "mpid", "deleted_user_attributes", "consent_state")


def is_canonical(document: Any) -> bool:
    """Whether the document is what :func:`events_of_batch` has made."""
    return isinstance(document, dict) and document.get("kind") in ("user", "event")


def batches_of(document: Any) -> list[Any]:
    """The batches of a document: one, or an array of them (``bulkevents``)."""
    return document if isinstance(document, list) else [document]


def events_of_batch(batch: Any, settings: MParticleSettings) -> Sequence[Event | Refusal | LeftOut]:
    """The canonical events of one batch; a canonical event gives itself."""
    if is_canonical(batch):
        return (batch,)
    if not isinstance(batch, dict):
        return (_NO_OBJECT,)
    if not batch:
        return ()
    events = batch.get("events")
    if not any(mark in batch for mark in _MARKS) or not (events is None or isinstance(events, list)):
        return (_NO_BATCH,)
    try:
        return _events(batch, events or [], settings)
    except Unclear as unclear:
        return (unwritable(unclear.marker),)


def _events(
    batch: Mapping[str, Any], events: list[Any], settings: MParticleSettings
) -> Sequence[Event | Refusal | LeftOut]:
    if (wrong := _wrong_form(batch, "user_identities", (dict, list))) is not None:
        return (wrong,)
    shared = _shared(batch, settings)
    found: list[Event | Refusal | LeftOut] = []
    if user := _user(batch, shared, settings):
        found.append(user)
    found += [_event(one, shared, settings) for one in events]
    if (rule := withheld(batch, settings)) is not None:
        return [each if isinstance(each, Refusal) else LeftOut(rule) for each in found]
    return found


def withheld(batch: Mapping[str, Any], settings: MParticleSettings) -> str | None:
    """The rule of consent that keeps this user's batch from going on; None where it may.

    ``consent_purposes`` are needed, each; who opted out of sale is held back where ``respect_ccpa`` says so. Who has said
    nothing of a purpose has not consented.
    """
    if not settings.consent_purposes and not settings.respect_ccpa:
        return None
    consent = {name.lower(): given for name, given in consent_of(batch).items()}
    for purpose in settings.consent_purposes:
        if consent.get(f"gdpr_{purpose.lower()}") is not True:
            return "consent_gdpr"
    if settings.respect_ccpa and consent.get("ccpa_data_sale_opt_out") is True:
        return "consent_ccpa"
    return None


def weight_of(batch: Any) -> tuple[int, int]:
    """How many events a batch becomes at most, and how many bytes of it are copied to each, roughly by its members' number."""
    events = batch.get("events") if isinstance(batch, dict) else None
    return (len(events) + 1 if isinstance(events, list) else 1), _copied(batch)


def _copied(batch: Any) -> int:
    if not isinstance(batch, dict):
        return 0
    return sum(_size(batch.get(name)) for name in (*_OF_BATCH, "user_identities"))


def _size(value: Any) -> int:
    """Bytes of a value as JSON, near enough for a bound."""
    stack, size = [value], 0
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            size += 4 * len(one) + sum(map(len, one))
            stack += one.values()
        elif isinstance(one, list):
            size += len(one)
            stack += one
        else:
            size += len(one) if isinstance(one, str) else 8
    return size


def key_of(event: Mapping[str, Any]) -> bytes | None:
    """The Kafka key: the customer, else mParticle's own id; all events of one user stay in order."""
    key = event.get("customer_id") or event.get("mpid")
    return key.encode("utf-8", errors="replace") if isinstance(key, str) else None


def _shared(batch: Mapping[str, Any], settings: MParticleSettings) -> dict[str, Any]:
    identities = identities_of(batch)
    mpid = as_id(batch.get("mpid"))
    shared: dict[str, Any] = {
        "customer_id": mpid if settings.identity == "mpid" else identities.get(settings.identity),
        "identities": identities,
        "mpid": mpid,
        "message_id": as_id(batch.get("message_id")) or as_id(batch.get("unique_id")),
        "batch_id": as_id(batch.get("batch_id")),
    }
    return shared | {name: batch[name] for name in _OF_BATCH if batch.get(name) is not None}


def _wrong_form(said: Mapping[str, Any], name: str, kinds: tuple[type, ...]) -> Refusal | None:
    """Why a member would be passed over in silence: it is there, and nothing of it would be read."""
    value = clear(said.get(name))
    if value is None or value in _BLANK or isinstance(value, kinds):
        return None
    expected = " or ".join(_KINDS[kind] for kind in kinds)
    return Refusal("member_form", f"{name} is not {expected}")


def _user(batch: Mapping[str, Any], shared: Mapping[str, Any], settings: MParticleSettings) -> Event | Refusal | None:
    """What the batch says of its user beside who it is; None where it says nothing."""
    for member, kind in _OF_USER.items():
        if (wrong := _wrong_form(batch, member, (kind,))) is not None:
            return wrong
    deleted = batch.get("deleted_user_attributes") or ()
    if not all(isinstance(each, str) for each in deleted):
        return Refusal("member_form", "deleted_user_attributes holds something else than names")
    custom, reserved = split_attributes(batch.get("user_attributes"))
    cleared, unset = deletions_of(batch.get("deleted_user_attributes"), settings.deletions)
    attributes = cleared | custom | consent_of(batch)
    if not attributes and not reserved and not unset:
        return None
    return _user_event(shared, attributes, reserved, unset)


def _user_event(
    shared: Mapping[str, Any], attributes: dict[str, Any], reserved: dict[str, Any], unset: list[dict[str, Any]]
) -> Event:
    event: Event = {"kind": "user", **shared}
    given = {"attributes": attributes, "reserved": reserved, "unset_attributes": unset}
    return event | {name: value for name, value in given.items() if value}


def _event(one: Any, shared: Mapping[str, Any], settings: MParticleSettings) -> Event | Refusal | LeftOut:
    if not isinstance(one, dict) or not isinstance(kind := one.get("event_type"), str):
        return Refusal("event_without_type", "an event of a batch is an object with event_type")
    if settings.event_types and kind not in settings.event_types:
        return LeftOut("event_type")
    try:
        if (wrong := _wrong_form(one, "data", (dict,))) is not None:
            return wrong
        data = one.get("data") or {}
        if kind == _USER_CHANGE:
            return _attribute_change(data, shared, settings)
        ids = ("event_id", "message_id", "session_id")
        own = {name: as_id(data.get(name)) for name in ids if data.get(name) is not None}
    except Unclear as unclear:
        return unwritable(unclear.marker)
    event: Event = {**shared, **data, **own, "kind": "event", "event_type": kind}
    time = as_milliseconds(data.get("timestamp_unixtime_ms"))
    if time is not None:
        event["time"] = time
    return event


def _attribute_change(
    data: Mapping[str, Any], shared: Mapping[str, Any], settings: MParticleSettings
) -> Event | Refusal | LeftOut:
    """``new`` is a scalar or a list; a null deletes only where ``deleted`` says so."""
    name = data.get("user_attribute_name")
    if not isinstance(name, str) or not name:
        return Refusal("attribute_without_name", "user_attribute_change has no user_attribute_name")
    if clear(data.get("deleted")) is True:
        cleared, unset = deletions_of([name], settings.deletions)
        if not cleared and not unset:
            return LeftOut("deletion")
        return _user_event(shared, dict(cleared), {}, unset)
    custom, reserved = split_attributes({name: data.get("new")})
    if not custom and not reserved:
        return LeftOut("null_attribute")
    return _user_event(shared, custom, reserved, [])
