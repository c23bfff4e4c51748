"""What every resource of Flow Service shares: lists with filters and a continuation token, quoted etags, JSON Patch."""

from __future__ import annotations

import base64
import binascii
import copy
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from bridge.emulators.adobe.platform.calls import Reply
from bridge.emulators.adobe.platform.filters import UnknownOperator, kept
from bridge.emulators.adobe.platform.flow_service.specs import BASE, refused
from bridge.emulators.adobe.platform.patches import PatchError, patched

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.emulators.adobe.platform.calls import Call
    from bridge.emulators.adobe.platform.sandbox import Sandbox

_PAGE: Final = 20
_MOST: Final = 100


def listed(call: Call, rows: Iterable[Mapping[str, Any]], conditions: Iterable[str]) -> Reply:
    """A page of the rows, or with ``count=true`` only how many there are."""
    try:
        found = kept(rows, [*conditions], commas=True)
    except UnknownOperator as error:
        raise refused(1440, 400, f"The operator of property={error} is not implemented") from None
    if (call.one("count") or "").lower() == "true":
        if call.one("limit") is not None:
            raise refused(1401, 400, "count and limit exclude each other")
        return Reply(200, {"count": len(found)})
    order = call.one("orderby") or "-createdAt"
    key = order.lstrip("-+")
    found.sort(key=lambda one: (one.get(key) is not None, str(one.get(key)).zfill(20)), reverse=order.startswith("-"))
    text = call.one("limit")
    limit = _PAGE if text is None else _whole(text)
    token = call.one("continuationToken")
    offset = _offset(token) if token else 0
    page = found[offset : offset + limit]
    document: dict[str, Any] = {"items": page}
    if offset + limit < len(found):
        again = [(name, value) for name, value in call.query if name not in ("continuationToken", "limit")]
        # The token stands first: Adobe's own client takes what follows the first equals sign.
        following = [("continuationToken", _token(offset + limit)), *again, ("limit", str(limit))]
        document["_links"] = {"next": {"href": f"{call.path.removeprefix(BASE)}?{urlencode(following)}"}}
    else:
        document["_links"] = {}
    return Reply(200, document)


def _whole(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise refused(1401, 400, f"limit={text} is not valid")
    return int(text)


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"after:{offset}".encode()).decode()


def _offset(token: str) -> int:
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        word, number = "", ""
    if word != "after" or not number.isdecimal():
        raise refused(1401, 400, "continuationToken is not valid")
    return int(number)


def new_item(call: Call, sent: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent with the keys that the server adds."""
    sandbox = call.sandbox
    if "state" in sent:
        raise refused(1410, 400, "state cannot be set")
    now = sandbox.now_ms()
    account = f"{call.client_id}@techacct.adobe.com"
    return copy.deepcopy(dict(sent)) | {
        "id": sandbox.uuid(),
        "createdAt": now,
        "updatedAt": now,
        "createdBy": account,
        "updatedBy": account,
        "createdClient": call.client_id,
        "updatedClient": call.client_id,
        "sandboxId": sandbox.name,
        "sandboxName": sandbox.name,
        "imsOrgId": sandbox.org_id,
        "state": "enabled",
        "etag": etag(sandbox),
    }


def etag(sandbox: Sandbox) -> str:
    """A new etag, with the quotes that belong to it."""
    return f'"{sandbox.hexadecimal(8)}-0000-0200-0000-{sandbox.hexadecimal(12)}"'


def created(item: Mapping[str, Any]) -> Reply:
    """What a POST is answered."""
    return Reply(201, {"id": item["id"], "etag": item["etag"]})


def changed(call: Call, item: dict[str, Any]) -> dict[str, Any]:
    """The item patched as the call says; needs ``If-Match`` with the very etag."""
    wanted = call.headers.get("If-Match")
    if wanted is None:
        raise refused(1403, 400, "If-Match is required")
    if wanted != item["etag"]:
        raise refused(1404, 412, f"If-Match {wanted} is not the etag {item['etag']}", title="Precondition Failed")
    operations = call.body()
    try:
        after = patched(item, [_lower(one) for one in operations] if isinstance(operations, list) else operations)
    except PatchError as error:
        raise refused(1402, 400, str(error)) from None
    for key in ("id", "createdAt", "createdBy", "state", "imsOrgId", "sandboxId"):
        if after.get(key) != item.get(key):
            raise refused(1410, 400, f"{key} cannot be set")
    after |= {"etag": etag(call.sandbox), "updatedAt": call.sandbox.now_ms()}
    return after  # type: ignore[no-any-return]


def _lower(operation: Any) -> Any:
    return operation | {"op": str(operation.get("op")).lower()} if isinstance(operation, dict) else operation
