"""Does MoEngage take what this bridge is set up to send? The key, and on request one test user, written and read back."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from bridge.destinations.http.exchange import NoReply, Reply, open_client, post
from bridge.destinations.http.reasons import parse
from bridge.destinations.moengage.answers import error_of, read_answer
from bridge.destinations.moengage.credentials import ApiKey
from bridge.destinations.moengage.destination import call_url, check_settings
from bridge.destinations.moengage.read_back import differing, read_users, request_of
from bridge.model.trial import Trial
from bridge.model.verdicts import AllAccepted, Misconfigured, Outcome, Throttled, Transient, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from bridge.settings import MoEngageSettings

TEST_USER = "aep-bridge-check"
"""Always the same customer, so that there is one of them at most; MoEngage's Delete User removes it."""
_MOST_ANSWER_BYTES = 1_000_000
_LOOKS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between looks for the test user: MoEngage processes what it has accepted by and by."""


async def try_key(settings: MoEngageSettings) -> Trial:
    """Ask for the test user, which writes nothing: MoEngage says whether it knows workspace and key."""
    check_settings(settings)
    reply = await _post(settings, "customers/export", request_of({TEST_USER: {}}))
    if isinstance(reply, NoReply):
        return Trial(ok=False, words=reply.reason, todo=_REACH)
    if reply.status == 200:
        return Trial(ok=True, words=f"{settings.url} takes the key of workspace {settings.workspace_id}")
    outcome = read_answer(reply.status, reply.headers, reply.body, now=time.time())
    if isinstance(outcome, Unauthorized | Misconfigured) and reply.status in (401, 409):
        return Trial(ok=False, words=outcome.reason, todo=_todo(outcome))
    # Get User has to be enabled for a workspace: its refusal says nothing of the calls that deliver.
    said = error_of(parse(reply.body))[1]
    words = (
        f"Get User answered {reply.status}{f' ({said})' if said else ''}: the key is not proven; --send-test does that"
    )
    return Trial(ok=reply.status < 500 and reply.status != 403, words=words, todo=_todo(outcome))


async def send_trial(settings: MoEngageSettings, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> Trial:
    """Write the test user with one attribute, then read it back: accepted is not yet stored."""
    check_settings(settings)
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    attributes = {"aep_bridge_check": moment}
    element = {"type": "customer", "customer_id": TEST_USER, "attributes": attributes}
    reply = await _post(settings, "customer", orjson.dumps(element))
    if isinstance(reply, NoReply):
        return Trial(ok=False, words=reply.reason, todo=_REACH)
    outcome = read_answer(reply.status, reply.headers, reply.body, now=time.time())
    if not isinstance(outcome, AllAccepted):
        return Trial(
            ok=False, words=getattr(outcome, "reason", f"MoEngage answered {reply.status}"), todo=_todo(outcome)
        )
    looked = await look_for(settings, TEST_USER, attributes, sleep=sleep)
    if looked.ok:
        return Trial(ok=True, words=f"user {TEST_USER} was accepted, and {looked.words}")
    return Trial(
        ok=False,
        words=f"user {TEST_USER} was accepted, but {looked.words}",
        todo=_LOOK,
    )


async def look_for(
    settings: MoEngageSettings,
    customer: str,
    attributes: Mapping[str, Any],
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Trial:
    """Read a user back until its attributes are as they were sent, for half a minute."""
    waited = 0.0
    said = ""
    for pause in _LOOKS:
        await sleep(pause)
        waited += pause
        answer = await _post(settings, "customers/export", request_of({customer: attributes}))
        if isinstance(answer, NoReply):
            said = answer.reason
            continue
        found = read_users(answer.body) if answer.status == 200 else None
        if found is None:
            said = f"Get User answered {answer.status}: {error_of(parse(answer.body))[1]}"
            continue
        stored = found.users.get(customer)
        wrong = [] if stored is None else differing(attributes, stored)
        if stored is not None and not wrong:
            return Trial(ok=True, words=f"read back after {waited:g} s as it was sent")
        said = "it has no such user yet" if stored is None else f"{', '.join(wrong)} is not what was sent"
    return Trial(ok=False, words=f"not read back within {waited:g} s: {said}", todo=_LOOK)


_LOOK = "look for the user in MoEngage's dashboard; Get User has to be enabled for the workspace (MoEngage support)"
_REACH = "check BRIDGE_MOENGAGE__DATA_CENTER or __BASE_URL, and the outbound access of this network"


def _todo(outcome: Outcome) -> str:
    match outcome:
        case Unauthorized():
            return (
                "compare BRIDGE_MOENGAGE__WORKSPACE_ID, __API_KEY and __DATA_CENTER with MoEngage (Settings > Account > APIs,"
                " tile Data); a new key invalidates the old one immediately, and an allow-list of addresses has to name this machine's"
            )
        case Misconfigured():
            return "compare BRIDGE_MOENGAGE__WORKSPACE_ID and __PROJECT_CODE with MoEngage"
        case Transient() | Throttled():
            return "try again in a few minutes"
        case _:
            return ""


async def _post(settings: MoEngageSettings, call: str, body: bytes) -> Reply | NoReply:
    client = open_client(connections=1, timeout_seconds=settings.timeout_seconds)
    try:
        return await post(
            client,
            call_url(settings, call),
            body=body,
            headers={"Content-Type": "application/json", "Authorization": ApiKey(settings).authorization},
            timeout_seconds=settings.timeout_seconds,
            most_bytes=_MOST_ANSWER_BYTES,
        )
    finally:
        await client.aclose()
