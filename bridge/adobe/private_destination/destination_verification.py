"""The private destination tried out with Adobe's own calls: what the template prints, and what arrives at the receiver.

Rendering changes nothing and calls nobody. The test of a connection really posts, so that it is sent profiles of one person only, whom
every route from Adobe knows and leaves out: a rehearsal by address would need a template that real profiles go through, too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.adobe import authoring
from bridge.adobe.pages import objects, text
from bridge.adobe.private_destination.wanted_destination import NAME, TEMPLATE
from bridge.adobe.provisioning.verification import Station
from bridge.adobe.refusals import EffectUnknown, PlatformError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from bridge.adobe.client import PlatformClient
    from bridge.adobe.pages import Document
    from bridge.adobe.private_destination.destination_plan import PrivateDestination

AWKWARD: Final = (
    'O\'Neil "Zoë" <b>R&D</b> &amp;',
    "back\\slash, tab\tand\nline break",
    "100 % + 1 € {{ x }} 顧客",
)
"""Texts that templates, JSON and HTML are known to stumble over."""
_NAMED: Final = TEMPLATE.replace(NAME, "{{ profile.attributes.awkward.value | urlencode }}")
"""The template, with an attribute in the place of the names, which only a connection has."""
_MOST_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class ReadProfile:
    """What the receiver makes of one profile; ``why``: the reason where it goes nowhere, "" else. ``names``: by audience id."""

    customer_id: str = ""
    attributes: Mapping[str, Any] | None = None
    names: Mapping[str, str] | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Receiving:
    """How the route reads: ``read`` a body; ``person``: the id that is left out, with ``left_out`` as its reason."""

    read: Callable[[bytes], Sequence[ReadProfile]]
    person: str
    left_out: str


async def verify_destination(
    client: PlatformClient,
    subject: PrivateDestination,
    receiving: Receiving,
    instance_id: str,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Station]:
    """The stations, up to the first that fails. Raises ``BridgeError`` where AEP does not answer or has no destination."""
    began = clock()
    observed = await subject.look()
    plan = subject.plan(observed)
    if plan.exit_code:
        words = ", ".join(f"{step.kind}: {step.action}" for step in plan.steps)
        yield Station("destination", ok=False, words=words, seconds=clock() - began, todo="aep-bridge setup apply")
        return
    destination = observed.destination_id
    yield Station("destination", ok=True, words=f"{subject.wanted.name} ({destination})", seconds=clock() - began)
    tries = (("template", _values), ("names", _names), ("sample profiles", _samples))
    for name, attempt in tries:
        began = clock()
        try:
            problem, words = await attempt(client, destination, subject.wanted.namespace, receiving)
        except PlatformError as error:
            problem, words = str(error), ""
        yield Station(name, ok=not problem, words=problem or words, seconds=clock() - began)
        if problem:
            return
    began = clock()
    if not instance_id:
        words = "not tried: there is no connection yet"
        todo = "make one in AEP (aep-bridge setup handover says how), then set BRIDGE_SETUP__DESTINATION_INSTANCE_ID"
        yield Station("test call", ok=None, words=words, seconds=0.0, todo=todo)
        return
    problem, words, todo = await _test(client, subject.wanted.namespace, instance_id, receiving)
    yield Station("test call", ok=not problem, words=problem or words, seconds=clock() - began, todo=todo)


def _profiles(namespace: str) -> list[Document]:
    """Profiles of the target schema, one for each awkward text."""
    return [
        {
            "identityMap": {namespace: [{"id": f"{number} {awkward}"}]},
            "attributes": {"awkward": {"value": awkward}, "absent": {}},
            "segmentMembership": {
                "ups": {f"audience-{number}": {"status": "realized", "lastQualificationTime": "2026-11-02T08:15:30Z"}}
            },
        }
        for number, awkward in enumerate(AWKWARD)
    ]


async def _read(
    client: PlatformClient, destination: str, template: str, profiles: list[Document], receiving: Receiving
) -> list[ReadProfile]:
    outputs = await authoring.render(client, destination, template, profiles)
    return [one for output in outputs for one in receiving.read(output.encode("utf-8", "surrogatepass"))]


def _refusals(read: Sequence[ReadProfile]) -> str:
    """The first profile that is not read, and a count that is not right."""
    why = next((one.why for one in read if one.why), "")
    if why:
        return f"the receiver would refuse what Adobe renders: {why}"
    return "" if len(read) == len(AWKWARD) else f"{len(AWKWARD)} profiles were rendered as {len(read)}"


async def _values(client: PlatformClient, destination: str, namespace: str, receiving: Receiving) -> tuple[str, str]:
    read = await _read(client, destination, TEMPLATE, _profiles(namespace), receiving)
    if problem := _refusals(read):
        return problem, ""
    for number, (awkward, one) in enumerate(zip(AWKWARD, read, strict=True)):
        if one.customer_id != f"{number} {awkward}".strip():
            return _other("the customer id", awkward, one.customer_id), ""
        if (one.attributes or {}) != {"awkward": awkward}:
            return _other("the attribute", awkward, str(one.attributes)), ""
    return "", "ids and values arrive as they are: quotation marks, <, &, backslashes, line breaks"


async def _names(client: PlatformClient, destination: str, namespace: str, receiving: Receiving) -> tuple[str, str]:
    read = await _read(client, destination, _NAMED, _profiles(namespace), receiving)
    if problem := _refusals(read):
        return problem, ""
    for number, (awkward, one) in enumerate(zip(AWKWARD, read, strict=True)):
        if (name := (one.names or {}).get(f"audience-{number}")) != awkward:
            return _other("the name of an audience", awkward, str(name)), ""
    return "", "names of audiences arrive as they are"


async def _samples(client: PlatformClient, destination: str, _namespace: str, receiving: Receiving) -> tuple[str, str]:
    made_up = await authoring.sample_profiles(client, count=2, destination_id=destination)
    read = await _read(client, destination, TEMPLATE, made_up, receiving)
    if not read:
        return "Adobe gives no sample profiles", ""
    taken = next((one for one in read if one.why != receiving.left_out), None)
    if taken is not None:
        return f"Adobe's made-up profiles would not be left out: {taken.why or taken.customer_id}", ""
    return "", f"Adobe's {len(read)} made-up profiles would be left out"


def _other(what: str, wanted: str, found: str) -> str:
    return f"{what} {wanted!r} arrives as {found[:_MOST_SHOWN]!r}"


async def _test(client: PlatformClient, namespace: str, instance_id: str, receiving: Receiving) -> tuple[str, str, str]:
    """Have Adobe post; gives what is wrong, what is right, and what to do."""
    try:
        profiles = await authoring.sample_profiles(client, count=1, instance_id=instance_id)
        for profile in profiles:
            for ids in profile.get("identityMap", {}).values():
                for one in ids:
                    one["id"] = receiving.person
        answer = await authoring.test_connection(client, instance_id, profiles)
    except (PlatformError, EffectUnknown) as error:
        return str(error), "", "BRIDGE_SETUP__DESTINATION_INSTANCE_ID is the id of a connection to this destination"
    results = objects((answer.document or {}).get("results", []), "the test call")
    calls = [one for result in results for one in objects(result.get("httpCalls", []), "the test call")]
    if not calls:
        return "Adobe has exported nothing", "", "activate an audience for the connection, and map its attributes"
    for call in calls:
        if problem := _of_call(call, namespace):
            return problem[0], "", problem[1]
    return "", f"Adobe has posted to {text(calls[0], 'request', 'uri')}, and the receiver has accepted it", ""


def _of_call(call: Document, namespace: str) -> tuple[str, str] | None:
    """What is wrong with one call to the receiver, and what to do."""
    uri, response = text(call, "request", "uri"), call.get("response")
    code = str(response.get("code") or "") if isinstance(response, dict) else ""
    if code != "200":
        todo = {
            "401": "enter the token that aep-bridge setup handover --show-secrets prints in the connection",
            "404": "the receiver runs, but not with this route: aep-bridge routes",
        }.get(code, "is the receiver reachable from outside at BRIDGE_RECEIVER__PUBLIC_URL?")
        return f"{uri} answered {code or 'nothing'}", todo
    body, sent = _json(text(call, "response", "body")), _json(text(call, "request", "body"))
    if body.get("status") != "ok":
        return f"{uri} is not a receiver of this bridge", "BRIDGE_RECEIVER__PUBLIC_URL"
    if body.get("events") or body.get("dead_letters"):
        return (
            f"the receiver has treated the test profile as a customer's ({body})",
            "update the receiver to the version of this command",
        )
    for unit in objects(sent.get("profiles", []), "the posted profiles"):
        identities = (unit.get("profile") or {}).get("identityMap") or {}
        if namespace.lower() not in {name.lower() for name in identities}:
            return (
                f"the connection maps nothing to {namespace}: every profile would be a dead letter",
                f"map the customer id to the target identity {namespace}",
            )
    return None


def _json(given: str) -> dict[str, Any]:
    try:
        document = orjson.loads(given)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}
