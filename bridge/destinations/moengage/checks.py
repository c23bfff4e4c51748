"""Elements against MoEngage's documented rules, before they leave: its bulk call answers 200 to all of them. Pure but for the clock.

What MoEngage would refuse, or take and not process, is a rejection; what it would silently cut or drop is a finding
(:mod:`bridge.destinations.moengage.remarks` has the codes of both).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from bridge.destinations.moengage import limits
from bridge.destinations.moengage.event_checks import check_event
from bridge.destinations.moengage.names import Names
from bridge.destinations.moengage.user_checks import check_user
from bridge.destinations.moengage.values import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from bridge.destinations.moengage.elements import Element
    from bridge.destinations.moengage.remarks import Report


class Checks:
    """The rules of one workspace. ``projects``: names of its portfolio's projects, none where it has no portfolio.

    ``objects``: it takes objects; ``unset``: it has the early-access ``unset_attributes``. ``identifiers``: attributes by which its
    Identity Resolution knows users, none where it has none. ``wall``: seconds since 1970.
    """

    def __init__(
        self,
        *,
        projects: Collection[str] = (),
        identifiers: Collection[str] = (),
        objects: bool = False,
        unset: bool = False,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._projects = frozenset(projects)
        self._identifiers = frozenset(identifiers)
        self._objects = objects
        self._unset = unset
        self._wall = wall
        self._names = Names()

    def look(self, element: Element, report: Report) -> None:
        """Add to the report what is to be said of the element."""
        kind, value, path = element
        if value.get("type") != kind or kind not in limits.KEYS:
            report.refuse(path, "element_form", "type is customer, event or device, in small letters", "type")
            return
        customer = value.get("customer_id")
        if customer is not None or not self._is_identified(kind, value):
            _check_id(customer, kind, path, report)
        known = limits.KEYS[kind]
        for key in value:
            if key not in known and key != "type":
                report.find(f"{path}/{escaped(key)}", "key_unknown", f"{kind} has no such key", f"{kind}.{key}")
        if kind == "customer":
            check_user(value, path, report, self._names, objects=self._objects, unset=self._unset)
        elif kind == "event":
            check_event(
                value,
                path,
                report,
                self._names,
                objects=self._objects,
                projects=self._projects,
                now=self._wall(),
            )
        else:
            _check_device(value, path, report)

    def _is_identified(self, kind: str, value: Mapping[str, Any]) -> bool:
        """Whether Identity Resolution finds the user without a customer id."""
        if not self._identifiers or kind == "device":
            return False
        given = value.get("attributes" if kind == "customer" else "user_identifiers")
        return given.__class__ is dict and any(
            given[name].__class__ is str and bool(given[name]) for name in self._identifiers & given.keys()
        )


def id_problem(given: Any) -> tuple[str, str] | None:
    """Code and words of why this is no customer id that MoEngage takes; None where it is one."""
    if given is None:
        return "customer_id_missing", "no row gives the customer id"
    if given.__class__ is not str:
        return "customer_id_type", "it is neither text nor a whole number"
    if len(given) < 2 or given.strip().lower() in limits.REFUSED_IDS:
        return "customer_id_refused", "MoEngage refuses this customer id"
    return None


def _check_id(given: Any, kind: str, path: str, report: Report) -> None:
    if (wrong := id_problem(given)) is not None:
        report.refuse(f"{path}/customer_id", *wrong, f"{kind}.customer_id")


def _check_device(value: Mapping[str, Any], path: str, report: Report) -> None:
    identifier = value.get("device_id")
    if identifier.__class__ is not str or not identifier:
        report.refuse(f"{path}/device_id", "device_id_missing", "it is not text", "device.device_id")
    attributes = value.get("attributes")
    if attributes is not None and attributes.__class__ is not dict:
        report.refuse(f"{path}/attributes", "attributes_form", "it is not an object", "device.attributes")
        return
    given = attributes or {}
    platform = given.get("platform")
    if platform.__class__ is not str or platform.lower() not in limits.DEVICE_PLATFORMS:
        place, field = f"{path}/attributes/platform", "device.attributes.platform"
        report.refuse(place, "device_platform", "it is not one of ANDROID, iOS, web and TV", field)
    for name in given:
        if name not in limits.DEVICE_ATTRIBUTES:
            place, field = f"{path}/attributes/{escaped(name)}", f"device.attributes.{name}"
            report.find(place, "device_attribute", "devices have no such attribute", field)
