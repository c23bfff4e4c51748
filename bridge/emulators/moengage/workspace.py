"""One workspace: its users with their attributes, events and devices, and what it has silently ignored or cut."""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.emulators.moengage.policies import OF_THE_SDK, kept_attributes, kept_value

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

NOBODY: Final = frozenset(
    {"unknown", "guest", "null", "0", "1", "2", "-1", "-2", "true", "false", "na", "n/a", "none", "(empty)", '""'}
    | {"user_attribute_unique_id", "dummy_seller_code", "user_id", "id", "customer_id", "uid", "userid"}
)
_RECENT: Final = 1_000
_EVENTS_KEPT: Final = 100
ADD, REMOVE = "addValueToArrayField", "removeValueFromArrayField"


@dataclass(slots=True)
class User:
    """``elements`` counts what came for the user, ``events`` holds the newest of them."""

    attributes: dict[str, Any] = field(default_factory=dict)
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_EVENTS_KEPT))
    elements: int = 0


class Workspace:
    """Takes elements one by one. ``objects``, ``unset``: features that MoEngage switches on by request; ``wall``: its clock.

    ``identifiers``: attributes by which Identity Resolution knows users, so that they need no customer id.
    """

    def __init__(
        self,
        *,
        objects: bool = True,
        unset: bool = True,
        fast: bool = False,
        identifiers: Collection[str] = (),
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._identifiers = tuple(identifiers)
        self.objects = objects
        self.unset = unset
        self.fast = fast
        self._wall = wall
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.users: dict[str, User] = {}
        self.counts: Counter[str] = Counter()
        self.ignored: Counter[str] = Counter()
        self.recent: deque[dict[str, str]] = deque(maxlen=_RECENT)
        self.event_names: Counter[str] = Counter()
        self._events_seen: Counter[bytes] = Counter()

    def error(self, element: Any) -> dict[str, str] | None:
        """The error with which a single call refuses an element; the bulk call ignores such an element."""
        identifier = element.get("customer_id")
        if identifier is None and self._identity(element) is None:
            return _error("MissingAttributeError", "customer_id is not found in the payload", "customer_id")
        if identifier is not None and (not isinstance(identifier, str) or not identifier):
            return _error("MissingAttributeError", "customer_id can not be empty Unicode String", "customer_id")
        attributes = element.get("attributes")
        if attributes is not None and not isinstance(attributes, dict):
            return _error("AttributeError", "attributes is expected to be dict", "attributes")
        if element["type"] == "customer" and attributes:
            adds, removes = attributes.get(ADD) or {}, attributes.get(REMOVE) or {}
            for edit, given in ((ADD, adds), (REMOVE, removes)):
                if not isinstance(given, dict) or not all(isinstance(one, list) for one in given.values()):
                    return _error("ArrayFieldError", f"{edit} is expected to hold lists", edit)
            for name in [*adds, *removes]:
                if (name in adds) + (name in removes) + (name in attributes) > 1:
                    return _error("ArrayFieldError", f"Cannot add and remove '{name}' at the same time", ADD)
        if element["type"] == "event":
            return self._event_error(element)
        if element["type"] == "device" and not isinstance(element.get("device_id"), str):
            return _error("MissingAttributeError", "device_id is not found in the payload", "device_id")
        return None

    def _event_error(self, element: Mapping[str, Any]) -> dict[str, str] | None:
        actions = element.get("actions")
        if not isinstance(actions, list) or not actions or not all(isinstance(one, dict) for one in actions):
            return _error("MissingAttributeError", "actions is not found in the payload", "actions")
        for action in actions:
            if not isinstance(action.get("action"), str) or not action["action"]:
                return _error("MissingAttributeError", "action is not found in the payload", "action")
            platform = action.get("platform")
            if platform is not None and str(platform).lower() not in ("android", "ios", "web", "tv", "unknown"):
                return _error("ValueError", "platform is not one of the allowed values", "platform")
            for key in ("user_time", "current_time"):
                if action.get(key) is not None and (seconds := _seconds(action[key])) is None:
                    return _error("ValueError", f"{key} is not a valid time", key)
                if action.get(key) is not None and seconds is not None and seconds > self._wall() + 300:
                    return _error("ValueError", f"{key} lies in the future", key)
        return None

    def process(self, element: dict[str, Any]) -> None:
        """Process an element that was accepted."""
        self.counts[element["type"]] += 1
        if self.fast:
            return
        identifier = element.get("customer_id") or self._resolved(element)
        if len(identifier) < 2 or identifier.lower() in NOBODY:
            self.ignore("customer id that stands for nobody", element["type"], identifier)
            return
        if element["type"] == "customer":
            self._user(identifier, element)
        elif element["type"] == "event":
            self._event(identifier, element)
        else:
            self._device(identifier, element)

    def _identity(self, element: Mapping[str, Any]) -> tuple[str, str] | None:
        """Name and value of the first identifier that the element carries."""
        given = element.get("user_identifiers" if element["type"] == "event" else "attributes")
        if element["type"] == "device" or not isinstance(given, dict):
            return None
        found = ((name, given.get(name)) for name in self._identifiers)
        return next(((name, value) for name, value in found if isinstance(value, str) and value), None)

    def _resolved(self, element: Mapping[str, Any]) -> str:
        """The user that has the identifier; else a new one, known by it."""
        name, value = self._identity(element) or ("", "")
        known = (customer for customer, user in self.users.items() if user.attributes.get(name) == value)
        return next(known, f"{name}={value}")

    def ignore(self, rule: str, what: str, customer: str = "") -> None:
        """Note what is silently ignored or cut."""
        self.ignored[rule] += 1
        self.recent.append({"rule": rule, "what": what, "customer_id": customer})

    def _user(self, identifier: str, element: Mapping[str, Any]) -> None:
        def note(rule: str, name: str) -> None:
            self.ignore(rule, name, identifier)

        user = self.users.get(identifier)
        if user is None and element.get("update_existing_only") is True:
            note("update of a user that does not exist", "customer")
            return
        is_new = user is None
        user = user or self.users.setdefault(identifier, User())
        user.elements += 1
        given = dict(element.get("attributes") or {})
        adds, removes = given.pop(ADD, None) or {}, given.pop(REMOVE, None) or {}
        platforms = given.pop("platforms", None)
        kept = kept_attributes(given, note, of_event=False, objects=self.objects)
        for name in kept.keys() & OF_THE_SDK:
            if not is_new:
                note("attribute that the SDK owns", name)
                del kept[name]
        user.attributes |= kept
        if platforms is not None:
            user.attributes["platforms"] = platforms
        for name, values in adds.items():
            self._edit(user, name, values, note, add=True)
        for name, values in removes.items():
            self._edit(user, name, values, note, add=False)
        for entry in element.get("unset_attributes") or ():
            self._unset(user, entry, note)

    def _edit(self, user: User, name: str, values: list[Any], note: Any, *, add: bool) -> None:
        if not kept_attributes({name: "x"}, note, of_event=False, objects=False):
            return
        held = user.attributes.get(name)
        held = list(held) if isinstance(held, list) else []
        values = kept_value(values, name, note, objects=False) or []
        if add:
            held += [one for one in values if one not in held]
        else:
            held = [one for one in held if one not in values]
        if len(held) > 50:
            note("list cut to 50 values", name)
        user.attributes[name] = held[:50]

    def _unset(self, user: User, entry: Any, note: Any) -> None:
        if not self.unset:
            note("unset_attributes, which the workspace does not have", str(entry))
            return
        text, sensitive = str(entry.get("attr", "")), entry.get("case_sensitive", True)
        wanted = text if sensitive else text.lower()
        tests: dict[str, Callable[[str], bool]] = {
            "equals": lambda name: name == wanted,
            "prefix": lambda name: name.startswith(wanted),
            "suffix": lambda name: name.endswith(wanted),
            "contains": lambda name: wanted in name,
        }
        test = tests.get(entry.get("type", ""))
        for name in list(user.attributes):
            if test is not None and test(name if sensitive else name.lower()):
                del user.attributes[name]

    def _event(self, identifier: str, element: Mapping[str, Any]) -> None:
        def note(rule: str, name: str) -> None:
            self.ignore(rule, name, identifier)

        user = self.users.setdefault(identifier, User())
        user.elements += 1
        for action in element["actions"]:
            name = action["action"].replace(".", " ")
            if name != action["action"]:
                note("dot in an event's name became a blank", action["action"])
            if name.startswith("moe_"):
                note("event name of MoEngage's prefix", name)
                continue
            if len(name) > 200:
                note("event name cut to 200 characters", name)
            if name[:200] not in self.event_names and len(self.event_names) >= 512:
                note("more than 512 event names", name)
                continue
            kept = kept_attributes(action.get("attributes") or {}, note, of_event=True, objects=self.objects)
            stored = {**action, "action": name[:200], "attributes": kept}
            self.event_names[name[:200]] += 1
            digest = hashlib.blake2b(
                identifier.encode() + orjson.dumps(stored, option=orjson.OPT_SORT_KEYS), digest_size=8
            ).digest()
            self.counts["actions"] += 1
            self.counts["repeated_actions"] += digest in self._events_seen
            self._events_seen[digest] += 1
            user.events.append(stored)

    def _device(self, identifier: str, element: Mapping[str, Any]) -> None:
        user = self.users.get(identifier)
        if user is None:
            self.ignore("device of a user that does not exist", "device", identifier)
            return
        user.elements += 1
        allowed = ("platform", "push_id", "model", "moe_push_opted", "app_version", "os_version", "moe_gaid", "idfv")
        given = element.get("attributes") or {}
        for name in given:
            if name not in allowed:
                self.ignore("attribute that devices do not have", name, identifier)
        if element["device_id"] not in user.devices and len(user.devices) >= 1_000:
            self.ignore("more than 1000 devices of a user", "device", identifier)
            return
        kept = {name: value for name, value in given.items() if name in allowed}
        user.devices[element["device_id"]] = user.devices.get(element["device_id"], {}) | kept


def _seconds(given: Any) -> float | None:
    text = str(given)
    if isinstance(given, bool):
        return None
    if re.fullmatch(r"\d{9,10}(\.\d+)?", text):
        return float(text)
    if re.fullmatch(r"\d{13}", text):
        return float(text) / 1_000
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _error(kind: str, message: str, attribute: str) -> dict[str, str]:
    return {"type": kind, "message": message, "attribute": attribute}
