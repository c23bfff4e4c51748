"""Identity namespaces (``/data/core/idnamespace/identities``): a bare array, 200 on a POST, 409, and never a DELETE.

Sources: OpenAPI identity-service; AEP docs, identity-service/api; Adobe's Postman samples.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.calls import Refused, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.emulators.adobe.platform.calls import Call, Route
    from bridge.emulators.adobe.platform.sandbox import Sandbox

_BASE: Final = "/data/core/idnamespace/identities"
_KINDS: Final = (
    "COOKIE",
    "CROSS_DEVICE",
    "DEVICE",
    "EMAIL",
    "MOBILE",
    "NON_PEOPLE",
    "PHONE",
    "B2B_ACCOUNT",
    "B2B_PERSON",
)
_PROBLEM: Final = "http://ns.adobe.com/adobecloud/problem/namespacevalidation"
_STANDARD: Final = (
    (0, "CORE", "CORE", "COOKIE"),
    (4, "ECID", "ECID", "COOKIE"),
    (6, "Email", "Email", "EMAIL"),
    (7, "Phone", "Phone", "PHONE"),
    (10, "AAID", "Adobe Analytics (Legacy ID)", "COOKIE"),
    (11, "Email_LC_SHA256", "Emails (SHA256, lowercased)", "EMAIL"),
    (411, "AdCloud", "AdCloud", "COOKIE"),
    (20914, "GAID", "Google Ad ID (GAID)", "DEVICE"),
    (20915, "IDFA", "Apple IDFA (ID for Advertisers)", "DEVICE"),
    (9, "TNTID", "Adobe Target (TNTID)", "COOKIE"),
)
_FIRST_CUSTOM: Final = 10_132_012


def standard_namespaces() -> dict[int, dict[str, Any]]:
    """Those that every sandbox has."""
    return {
        number: _namespace(number, code, name, kind, custom=False, description=f"{name}", now=1_551_688_425_455)
        for number, code, name, kind in _STANDARD
    }


def _namespace(
    number: int, code: str, name: str, kind: str, *, custom: bool, description: str, now: int
) -> dict[str, Any]:
    return {
        "id": number,
        "code": code,
        "name": name,
        "idType": kind,
        "status": "ACTIVE",
        "custom": custom,
        "description": description,
        "createTime": now,
        "updateTime": now,
    }


def routes() -> Iterator[Route]:
    """The routes of this API."""
    yield "GET", _BASE, _list
    yield "POST", _BASE, _create
    yield "GET", f"{_BASE}/{{id}}", _look_up
    yield "PUT", f"{_BASE}/{{id}}", _replace


def _list(call: Call) -> Reply:
    return Reply(200, [*call.sandbox.namespaces.values()])


def _look_up(call: Call) -> Reply:
    return Reply(200, _found(call))


def _found(call: Call) -> dict[str, Any]:
    number = call.parts["id"]
    found = call.sandbox.namespaces.get(int(number)) if number.isdecimal() else None
    if found is None:
        raise _refused(404, "NAMESPACE_NOT_FOUND", "NAMESPACE_NOT_FOUND")
    return found


def _create(call: Call) -> Reply:
    sandbox, sent = call.sandbox, call.document()
    code, name = _text(sent, "code"), _text(sent, "name")
    kind = _text(sent, "idType").upper()
    if kind not in _KINDS:
        raise _refused(400, "INVALID_REQUEST_PARAMS", "INVALID_ID_TYPE")
    wanted = r"[A-Za-z0-9]+" if sandbox.oddities.namespace_codes == "alphanumeric" else r"[A-Za-z0-9_]+"
    if re.fullmatch(wanted, code) is None:
        raise _refused(400, "INVALID_REQUEST_PARAMS", "INVALID_INTEGRATION_CODE")
    if any(one["code"].lower() == code.lower() for one in sandbox.namespaces.values()):
        raise _refused(409, "NAMESPACE_CODE_CONFLICT", "INTEGRATION_CODE_EXISTS")
    shown = _text(sent, "idType") if sandbox.oddities.id_type_case == "as_sent" else kind
    made = _namespace(
        max(_FIRST_CUSTOM, *(number + 1 for number in sandbox.namespaces)),
        code, name, shown, custom=True, description=str(sent.get("description") or ""), now=sandbox.now_ms(),
    )  # fmt: skip
    sandbox.namespaces[made["id"]] = made
    return Reply(200, made)


def _replace(call: Call) -> Reply:
    before, sent = _found(call), call.document()
    if not before["custom"]:
        raise _refused(400, "INVALID_REQUEST_PARAMS", "STANDARD_NAMESPACE_IS_READ_ONLY")
    same = _text(sent, "code") == before["code"] and _text(sent, "idType").upper() == before["idType"].upper()
    if not same:
        raise _refused(400, "INVALID_REQUEST_PARAMS", "CODE_AND_TYPE_CANNOT_CHANGE")
    after = before | {
        "name": _text(sent, "name"),
        "description": str(sent.get("description") or ""),
        "updateTime": call.sandbox.now_ms(),
    }
    call.sandbox.namespaces[before["id"]] = after
    return Reply(200, after)


def _text(sent: dict[str, Any], key: str) -> str:
    value = sent.get(key)
    if not isinstance(value, str) or not value:
        raise _refused(400, "INVALID_REQUEST_PARAMS", f"{key.upper()}_IS_REQUIRED")
    return value


def _refused(status: int, title: str, code: str) -> Refused:
    return Refused(
        Reply(status, {"type": _PROBLEM, "status": status, "title": title, "report": {"code": code, "message": code}})
    )


def has_namespace(sandbox: Sandbox, code: str) -> bool:
    """Whether a namespace of that code exists."""
    return any(one["code"].lower() == code.lower() for one in sandbox.namespaces.values())
