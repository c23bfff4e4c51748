"""The emulator's HTTP server: the Data API, control and what was received."""

from __future__ import annotations

import hashlib
import random
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from pydantic import ValidationError

from bridge.emulators.local_server import MOST_READ, LocalServer
from bridge.emulators.moengage.data_api import Answer, DataApi
from bridge.emulators.moengage.faults import Control, Faults, Limits
from bridge.emulators.moengage.workspace import Workspace
from bridge.emulators.struck_calls import answer_call, failed_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.emulators.moengage.workspace import User
    from bridge.emulators.spells import Fail

WORKSPACE_ID = "EMULATEDWORKSPACE"
API_KEY = "emulated-key"
PAGE = 10_000


class MoEngageEmulator(LocalServer):
    """One workspace on 127.0.0.1; ``async with MoEngageEmulator() as emulator`` or start and stop.

    ``phase``: seconds by which its minutes begin after the clock's; None for any, as nobody knows MoEngage's. ``fast`` counts only.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        workspace_id: str = WORKSPACE_ID,
        api_keys: Sequence[str] = (API_KEY,),
        latency_seconds: float = 0.0,
        limits: Limits | None = None,
        objects: bool = True,
        unset: bool = True,
        fast: bool = False,
        identifiers: Sequence[str] = (),
        phase: float | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(host, port)
        self.faults = Faults(latency_seconds=latency_seconds, limits=limits)
        self.workspace = Workspace(objects=objects, unset=unset, fast=fast, identifiers=identifiers, wall=wall)
        chosen = random.uniform(0, 60) if phase is None else phase  # nosec B311 # noqa: S311 - no secret
        self.api = DataApi(self.workspace, self.faults, app_id=workspace_id, api_keys=api_keys, phase=chosen, wall=wall)

    def environment(self) -> dict[str, str]:
        """Everything a bridge needs to meet this emulator, as environment variables."""
        return {
            "BRIDGE_MOENGAGE__BASE_URL": self.url,
            "BRIDGE_MOENGAGE__WORKSPACE_ID": self.api.app_id,
            "BRIDGE_MOENGAGE__API_KEY": self.api.api_keys[0],
        }

    def control(self, **message: Any) -> None:
        """The same as ``POST /control`` with this message."""
        self._apply(Control.model_validate(message))

    def control_json(self, message: bytes) -> None:
        """The same in JSON; raises pydantic's ``ValidationError``."""
        self._apply(Control.model_validate_json(message))

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=MOST_READ)
        app.router.add_post("/v1/{call:customer|event|device|transition}/{app_id}", self._post)
        app.router.add_post("/v1/customers/export", self._post)
        app.router.add_get("/received", self._received)
        app.router.add_delete("/received", self._forget)
        app.router.add_get("/control", self._show_control)
        app.router.add_post("/control", self._control)
        app.router.add_get("/health", self._health)
        return app

    def summary(self) -> dict[str, Any]:
        """The counts: users, elements by kind, ``actions`` of events and how many of them came again, what was ignored, windows."""
        api, workspace = self.api, self.workspace
        sizes = api.elements_per_request
        requests = sum(sizes.values())
        return {
            "users": len(workspace.users),
            **{kind: workspace.counts[kind] for kind in ("customer", "event", "device")},
            "actions": workspace.counts["actions"],
            "repeated_actions": workspace.counts["repeated_actions"],
            "lost": workspace.counts["lost"],
            "ignored": dict(workspace.ignored),
            "requests": dict(api.requests),
            "calls": dict(api.calls),
            "elements_per_request": round(sum(size * n for size, n in sizes.items()) / requests, 2) if requests else 0,
            "most_elements": max(sizes, default=0),
            "windows": api.minutes.shown(),
        }

    def _apply(self, control: Control) -> None:
        self.faults.apply(control)
        if control.api_keys is not None:
            self.api.api_keys = list(control.api_keys)
        if control.clear_received:
            self.api.clear()

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        call = request.match_info.get("call", "export")
        app_id = request.match_info.get("app_id") or request.query.get("app_id", "")
        return await answer_call(
            request,
            self.faults,
            self.api.requests,
            process=lambda: self.api.post(call, app_id, request.headers, body),
            write=lambda answer: _json(answer, self.api.rate_headers() if answer.status != 429 else {}),
            failed=_failed,
        )

    async def _received(self, request: web.Request) -> web.Response:
        query = request.query
        if (customer := query.get("customer")) is not None:
            user = self.workspace.users.get(customer)
            return _json(
                Answer(404, {"error": "no such user"}) if user is None else Answer(200, _shown(customer, user))
            )
        try:
            offset, limit = int(query.get("offset", 0)), int(query.get("limit", PAGE))
        except ValueError:
            return _json(Answer(400, {"error": "offset and limit are numbers"}))
        found = self.summary()
        if query.get("ignored"):
            found["recently_ignored"] = list(self.workspace.recent)
        if query.get("customers"):
            users = self.workspace.users
            with_events = bool(query.get("events"))
            rows = [
                [name, user.elements, fingerprint(user.attributes)]
                + ([sorted(map(fingerprint, user.events))] if with_events else [])
                for name, user in islice(users.items(), max(offset, 0), max(offset, 0) + max(limit, 1))
            ]
            end = max(offset, 0) + len(rows)
            found |= {"customers": rows, "next_offset": end if end < len(users) else None}
        return _json(Answer(200, found))

    async def _forget(self, _: web.Request) -> web.Response:
        self.api.clear()
        return _json(Answer(200, self.summary()))

    async def _show_control(self, _: web.Request) -> web.Response:
        return _json(Answer(200, self.faults.shown()))

    async def _control(self, request: web.Request) -> web.Response:
        try:
            self.control_json(await request.read())
        except ValidationError as error:
            problems = [
                {"key": ".".join(str(part) for part in problem["loc"]), "message": problem["msg"]}
                for problem in error.errors(include_input=False, include_url=False)
            ]
            return _json(Answer(400, {"error": "not a control message", "problems": problems}))
        return _json(Answer(200, self.faults.shown()))

    async def _health(self, _: web.Request) -> web.Response:
        return _json(Answer(200, {"status": "ok"}))


def fingerprint(attributes: dict[str, Any]) -> str:
    """Sixteen hex digits that are equal for equal attributes, whatever their order."""
    return hashlib.blake2b(orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def _shown(customer: str, user: User) -> dict[str, Any]:
    return {
        "customer_id": customer,
        "attributes": user.attributes,
        "devices": user.devices,
        "events": list(user.events),
        "elements": user.elements,
    }


def _json(answer: Answer, more: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(answer.document),
        status=answer.status,
        content_type="application/json",
        headers={**(more or {}), **answer.headers},
    )


def _failed(fail: Fail) -> web.Response:
    kind = "RateLimitError" if fail.status == 429 else "ServerError"
    return failed_answer(fail, {"status": "fail", "title": kind, "description": "The emulator was told to fail"})
