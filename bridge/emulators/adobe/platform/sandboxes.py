"""Sandbox management: which sandboxes there are (``/data/foundation/sandbox-management``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.calls import Refused, Reply, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bridge.emulators.adobe.platform.calls import Call, Route
    from bridge.emulators.adobe.platform.sandbox import Sandbox

_BASE: Final = "/data/foundation/sandbox-management"


def routes(sandboxes: Callable[[], Mapping[str, Sandbox]]) -> Iterator[Route]:
    """The routes of this API. ``sandboxes``: those of the organisation."""

    def listed(call: Call) -> Reply:
        limit, offset = call.number("limit", 50, least=1), call.number("offset", 0)
        every = [shown(one) for one in sandboxes().values()]
        page = every[offset : offset + limit]
        links: dict[str, Any] = {"page": {"href": f"{call.path}?limit={{limit}}&offset={{offset}}", "templated": True}}
        if offset + limit < len(every):
            links["next"] = {"href": f"{call.path}?limit={limit}&offset={offset + limit}"}
        return Reply(200, {"sandboxes": page, "_page": {"limit": limit, "count": len(page)}, "_links": links})

    def one(call: Call) -> Reply:
        found = sandboxes().get(call.parts["name"])
        if found is None:
            raise Refused(
                Reply(
                    404, problem("sms", "SMS-404", 404, f"Sandbox {call.parts['name']} is not found", title="Not found")
                )
            )
        return Reply(200, shown(found))

    yield "GET", _BASE, listed
    yield "GET", f"{_BASE}/sandboxes", listed
    yield "GET", f"{_BASE}/sandboxes/{{name}}", one


def shown(sandbox: Sandbox) -> dict[str, Any]:
    """A sandbox as the API shows it."""
    return {
        "id": f"00000000-0000-4000-8000-{sum(map(ord, sandbox.name)):012d}",
        "name": sandbox.name,
        "title": sandbox.name.capitalize(),
        "state": sandbox.state,
        "type": sandbox.kind,
        "region": "VA7",
        "isDefault": sandbox.is_default,
        "eTag": 2,
        "createdDate": "2026-01-01 00:00:00",
        "createdBy": "system",
    }
