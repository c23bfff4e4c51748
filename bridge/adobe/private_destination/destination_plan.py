"""The private destination of a route, wanted and found, compared: a plan of two steps. Looking is the only part that asks AEP.

Both are found by their name, and the server first by the destination that names it. Two that fit are a conflict, as names are no keys
of this API. What is compared is what the route wants: whatever else Adobe or people have added stays, in a PUT too.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.adobe import authoring
from bridge.adobe.pages import text
from bridge.adobe.provisioning.steps import LATER, Action, Change, CreateAuthored, Kind, Plan, ReplaceAuthored, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.adobe.client import PlatformClient
    from bridge.adobe.pages import Document
    from bridge.adobe.private_destination.wanted_destination import WantedDestination

USUAL_MOST: Final = 5
"""Private destinations that an organisation may have, unless Adobe raises it (AEP docs: destination-sdk/guardrails)."""
_ISSUED: Final = frozenset(
    {"instanceId", "createdDate", "lastModifiedDate", "imsOrg", "destConfigId", "createdBy", "lastModifiedBy"}
)
"""Members that AEP issues."""
_SECRET: Final = "clientSecret"  # nosec B105 # noqa: S105 - the name of a member
_SETTING: Final = "BRIDGE_SETUP__DESTINATION_NAME"
_KINDS: Final[Mapping[Kind, authoring.Kind]] = {Kind.SERVER: "destination-servers", Kind.DESTINATION: "destinations"}


@dataclass(frozen=True, slots=True)
class FoundDestinations:
    """Destination servers that have the name or that a destination of the name posts to, and destinations of the name; ``many``: all."""

    servers: tuple[Document, ...] = ()
    destinations: tuple[Document, ...] = ()
    many: int = 0

    @property
    def destination_id(self) -> str:
        """The id of the only destination; "" where there is none, or several."""
        return text(self.destinations[0], authoring.ID) if len(self.destinations) == 1 else ""

    @property
    def server_id(self) -> str:
        """The same of the server."""
        return text(self.servers[0], authoring.ID) if len(self.servers) == 1 else ""


@dataclass(frozen=True, slots=True)
class PrivateDestination:
    """A :class:`~bridge.adobe.provisioning.applying.Subject`."""

    client: PlatformClient = field(repr=False)
    wanted: WantedDestination

    async def look(self) -> FoundDestinations:
        """Everything."""
        return await self.look_at(FoundDestinations(), Kind.SERVER)

    async def look_at(self, observed: FoundDestinations, kind: Kind, identifier: str = "") -> FoundDestinations:
        """Both kinds, as one decides on the other; beside them the one that AEP has just issued."""
        found: dict[Kind, list[Document]] = {}
        for one in (Kind.DESTINATION, Kind.SERVER):
            found[one] = await authoring.everything(self.client, _KINDS[one])
        if identifier and identifier not in map(_id, found[kind]):
            found[kind].append(await authoring.read(self.client, _KINDS[kind], identifier))
        destinations = tuple(one for one in found[Kind.DESTINATION] if text(one, "name") == self.wanted.name)
        return replace(
            observed,
            destinations=destinations,
            servers=self._servers(found[Kind.SERVER], destinations),
            many=len(found[Kind.DESTINATION]),
        )

    def _servers(self, every: Sequence[Document], destinations: Sequence[Document]) -> tuple[Document, ...]:
        named = set(_server_ids(destinations[0])) if len(destinations) == 1 else set()
        posted_to = tuple(one for one in every if _id(one) in named and text(one, "name") == self.wanted.name)
        return posted_to or tuple(one for one in every if text(one, "name") == self.wanted.name)

    async def doubt(self, observed: FoundDestinations, step: Step) -> FoundDestinations | None:  # noqa: ARG002 - the port's
        """Nothing is asked beforehand."""
        return None

    def plan(self, observed: FoundDestinations) -> Plan:
        """The server, then the destination that names it."""
        server = self._step(Kind.SERVER, observed.servers, self.wanted.server())
        destination = self._step(
            Kind.DESTINATION, observed.destinations, self.wanted.destination(observed.server_id or LATER)
        )
        if destination.action is Action.CREATE and observed.many >= USUAL_MOST:
            note = f"the organisation has {observed.many} private destinations; {USUAL_MOST} is Adobe's usual limit"
            destination = replace(destination, note=note)
        if not observed.server_id:
            destination = replace(destination, write=None)
        return Plan((server, destination))

    def _step(self, kind: Kind, found: Sequence[Document], wanted: dict[str, Any]) -> Step:
        name, api = self.wanted.name, _KINDS[kind]
        if len(found) > 1:
            ids = ", ".join(_id(one) for one in found)
            todo = f"there are {len(found)} of this name ({ids}): delete all but one in AEP, or set {_SETTING} to another name"
            return Step(kind, name, Action.CONFLICT, todo=todo)
        if not found:
            told = tuple(Change(path, "", value) for path, value in _summary(wanted))
            return Step(kind, name, Action.CREATE, changes=told, write=CreateAuthored(api, wanted))
        identifier = _id(found[0])
        changes = tuple(_differences(found[0], wanted))
        if not changes:
            return Step(kind, name, Action.EXISTS, identifier)
        write = ReplaceAuthored(api, identifier, _merged(found[0], wanted))
        return Step(kind, name, Action.CHANGE, identifier, changes, write=write)


def _id(one: Document) -> str:
    return text(one, authoring.ID)


def _server_ids(destination: Document) -> Iterator[str]:
    deliveries = destination.get("destinationDelivery")
    for one in deliveries if isinstance(deliveries, list) else ():
        yield text(one, "destinationServerId")


def _summary(wanted: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a new one is told by."""
    if "urlBasedDestination" in wanted:
        yield "url", wanted["urlBasedDestination"]["url"]["value"]
        return
    yield "authentication", wanted["customerAuthenticationConfigurations"][0]["authType"]
    yield "identities", ", ".join(wanted["identityNamespaces"])


def _differences(found: Any, wanted: Any, path: str = "") -> Iterator[Change]:
    """Where what is found lacks what is wanted; members that are not wanted are not looked at, secrets are never shown."""
    if isinstance(wanted, dict):
        there = found if isinstance(found, dict) else {}
        for key, value in wanted.items():
            yield from _differences(there.get(key), value, f"{path}.{key}" if path else key)
    elif isinstance(found, list) and _is_named(wanted):
        for one in wanted:
            there = next((other for other in found if _name(other) == one["name"]), {})
            yield from _differences(there, one, f"{path}[{one['name']}]")
    elif isinstance(wanted, list) and isinstance(found, list) and len(found) == len(wanted) and wanted:
        for index, (one, other) in enumerate(zip(found, wanted, strict=True)):
            yield from _differences(one, other, f"{path}[{index}]")
    elif path.rpartition(".")[2] == _SECRET:
        if isinstance(found, str) and found.strip("*•xX") and found != wanted:
            yield Change(path, "another one", "that of the settings")
    elif _normal(found) != _normal(wanted):
        yield Change(path, _told(found), _told(wanted))


def _is_named(wanted: Any) -> bool:
    """Whether it is a list of objects that go by their names."""
    return isinstance(wanted, list) and bool(wanted) and all(_name(one) for one in wanted)


def _name(one: Any) -> str:
    return text(one, "name")


def _normal(value: Any) -> Any:
    """A value however AEP writes it: empty lists and maps may be left out, line ends be those of another system."""
    if value in ([], {}, ""):
        return None
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else value


def _told(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()


def _merged(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What is wanted over what is there."""
    merged = {key: copy.deepcopy(value) for key, value in found.items() if key not in _ISSUED}
    for key, value in wanted.items():
        merged[key] = _over(merged.get(key), value)
    return merged


def _over(found: Any, wanted: Any) -> Any:
    if isinstance(found, dict) and isinstance(wanted, dict):
        return {**found, **{key: _over(found.get(key), value) for key, value in wanted.items()}}
    if isinstance(found, list) and _is_named(wanted):
        known = {one["name"]: one for one in wanted}
        kept = [_over(one, known.pop(_name(one))) if _name(one) in known else one for one in found]
        return [*kept, *known.values()]
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        return [_over(one, other) for one, other in zip(found, wanted, strict=True)]
    return wanted
