"""The calls that test a destination: sample profiles, sample template, render, and the call that really posts.

Sources: AEP docs, destination-sdk/testing-api/streaming-destinations. The last one goes to addresses of this machine and no others.
"""

from __future__ import annotations

import uuid
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson

from bridge.emulators.adobe.platform.calls import Refused, Reply
from bridge.emulators.adobe.platform.destination_sdk.authoring import BASE, found, refused
from bridge.emulators.adobe.platform.destination_sdk.made_up_profiles import of_source, of_target
from bridge.emulators.adobe.platform.destination_sdk.template_language import render
from bridge.emulators.adobe.platform.destination_sdk.template_values import Escaping, TemplateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.emulators.adobe.platform.calls import Call, Route
    from bridge.emulators.adobe.platform.destination_connections import Connection
    from bridge.emulators.adobe.platform.sandbox import Sandbox

_MOST_PROFILES: Final = 1_000
_SECONDS: Final = 10.0
_SAMPLE: Final = (
    '{"profiles": [{% for profile in input.profiles %}{"AdobeExperiencePlatformSegments": {"add": ['
    '{%- for segment in profile.segmentMembership.ups | added %}"{{ segment.key }}"{% if not loop.last %},{% endif %}'
    '{% endfor %}], "remove": [{%- for segment in removedSegments(profile.segmentMembership.ups) %}"{{ segment.key }}"'
    "{% if not loop.last %},{% endif %}{% endfor %}]}}{% if not loop.last %},{% endif %}{% endfor %}]}"
)


def routes() -> Iterator[Route]:
    """The routes of this API."""
    yield "GET", f"{BASE}/sample-profiles", _sample_profiles
    yield "GET", f"{BASE}/testing/template/sample/{{id}}", _sample_template
    yield "POST", f"{BASE}/testing/template/render", _render
    yield "POST", f"{BASE}/testing/destinationInstance/{{id}}", _test


def _sample_profiles(call: Call) -> Reply:
    sandbox, target, source = call.sandbox, call.one("destinationId"), call.one("destinationInstanceId")
    if (target is None) == (source is None):
        raise refused(400, "one of destinationId and destinationInstanceId is needed")
    if target is not None:
        destination = found(sandbox, "destinations", target)
        return Reply(200, of_target(destination, _count(call, destination)))
    connection = _connection(sandbox, source or "")
    return Reply(200, of_source(connection, _count(call, found(sandbox, "destinations", connection.destination))))


def _count(call: Call, destination: dict[str, Any]) -> int:
    return call.number("count", _users(destination), least=1, most=_MOST_PROFILES)


def _users(destination: dict[str, Any]) -> int:
    """Profiles in one call, at most."""
    aggregation = destination.get("aggregation") or {}
    return int((aggregation.get("bestEffortAggregation") or {}).get("maxUsersPerRequest") or 1)


def _sample_template(call: Call) -> Reply:
    found(call.sandbox, "destinations", call.parts["id"])
    return Reply(200, _SAMPLE.encode(), content_type="text/plain")


def _connection(sandbox: Sandbox, identifier: str) -> Connection:
    connection = sandbox.connections.get(identifier)
    if connection is None:
        raise refused(404, f"there is no destination instance {identifier}")
    return connection


def _render(call: Call) -> Reply:
    sent = call.document()
    destination = found(call.sandbox, "destinations", str(sent.get("destinationId")))
    template = sent.get("template")
    if not isinstance(template, str):
        raise refused(400, "template is missing")
    profiles = sent.get("profiles") or of_target(destination, _users(destination))
    groups = _groups(profiles, _users(destination))
    results = [
        {"profiles": group, "output": _output(call.sandbox, template, _scope(destination, group, {}, {}))}
        for group in groups
    ]
    return Reply(200, {"results": results})


def _groups(profiles: list[Any], users: int) -> list[list[Any]]:
    return [profiles[at : at + users] for at in range(0, len(profiles), users)]


def _scope(
    destination: dict[str, Any], profiles: list[Any], customer_data: dict[str, str], audiences: dict[str, str]
) -> dict[str, Any]:
    """What a template sees; without a connection no audience has a name."""
    named: dict[str, dict[str, str]] = {}
    for profile in profiles:
        for namespace, members in (profile.get("segmentMembership") or {}).items():
            named.setdefault(namespace, {}).update({one: audiences[one] for one in members if one in audiences})
    given = {"profile": profiles[0]} if _users(destination) == 1 else {"profiles": profiles}
    return {"input": given, "destination": {"namespaceSegmentAliases": named}, "customerData": customer_data}


def _output(sandbox: Sandbox, template: str, scope: dict[str, Any]) -> str:
    escaping = Escaping(quotes=sandbox.oddities.template_escaping == "quotes")
    try:
        return render(template, scope, escaping)
    except (TemplateError, TypeError) as error:
        raise refused(400, f"the template cannot be rendered: {error}") from None


def _test(call: Call) -> Reply:
    sandbox = call.sandbox
    connection = _connection(sandbox, call.parts["id"])
    destination = found(sandbox, "destinations", connection.destination)
    server = found(
        sandbox, "destination-servers", str(destination["destinationDelivery"][0].get("destinationServerId"))
    )
    given = call.document().get("profiles") if call.raw else None
    profiles = given or of_source(connection, _users(destination))
    template = server["httpTemplate"]["requestBody"]["value"]
    url = _output(sandbox, server["urlBasedDestination"]["url"]["value"], {"customerData": connection.customer_data})
    if not _is_here(url):
        raise refused(400, f"the emulator calls addresses of this machine only, and not {url}")
    bodies = [
        _output(sandbox, template, _scope(destination, group, connection.customer_data, connection.audiences))
        for group in _groups([connection.exported(one) for one in profiles], _users(destination))
    ]

    async def answer() -> Reply:
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            try:
                authorization = await _authorization(session, destination, connection)
                calls = [await _call(session, url, authorization, server, body) for body in bodies]
            except Refused as refusal:
                return refusal.reply
        return Reply(200, {"results": [{"httpCalls": calls}], "inputProfiles": profiles})

    return Reply(200, later=answer)


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _authorization(
    session: aiohttp.ClientSession, destination: dict[str, Any], connection: Connection
) -> str | None:
    """The header's value: the token that was entered, or one that the token URL gives."""
    configured = destination["customerAuthenticationConfigurations"][0]
    if configured["authType"] != "OAUTH2":
        return None if connection.token is None else f"Bearer {connection.token.get_secret_value()}"
    if not _is_here(configured["accessTokenUrl"]):
        raise refused(400, "the emulator calls addresses of this machine only")
    form = {
        "grant_type": "client_credentials",
        "client_id": configured.get("clientId", ""),
        "client_secret": configured.get("clientSecret", ""),
    }
    try:
        async with session.post(configured["accessTokenUrl"], data=form) as answer:
            granted = orjson.loads(await answer.read())
            return f"Bearer {granted['access_token']}"
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
        raise refused(400, f"{configured['accessTokenUrl']} gives no token") from None


async def _call(
    session: aiohttp.ClientSession, url: str, authorization: str | None, server: dict[str, Any], body: str
) -> dict[str, Any]:
    headers = {"Content-Type": server["httpTemplate"].get("contentType", "application/json")}
    if authorization is not None:
        headers["Authorization"] = authorization
    method = server["httpTemplate"].get("httpMethod", "POST")
    try:
        async with session.request(method, url, data=body.encode(), headers=headers) as answer:
            response = {
                "body": (await answer.read()).decode(errors="replace"),
                "code": str(answer.status),
                "headers": [{"name": name, "value": value} for name, value in answer.headers.items()],
            }
    except (aiohttp.ClientError, TimeoutError) as error:
        response = {"body": str(error), "code": "", "headers": []}
    shown = [{"name": name, "value": "****" if name == "Authorization" else value} for name, value in headers.items()]
    return {
        "traceId": str(uuid.uuid4()),
        "request": {"body": body, "headers": shown, "method": method, "uri": url},
        "response": response,
    }
