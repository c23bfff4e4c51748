"""JSON Patch (RFC 6902), as far as the platform APIs take it: add, replace, remove, test."""

from __future__ import annotations

import copy
from typing import Any


class PatchError(ValueError):
    """The patch does not fit the document."""


def patched(document: Any, operations: Any) -> Any:
    """A copy of the document with the operations applied; raises :class:`PatchError`."""
    if not isinstance(operations, list) or not operations:
        raise PatchError("a JSON Patch is a list of operations")
    result = copy.deepcopy(document)
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise PatchError("an operation has op and path")
        result = _apply(result, str(operation.get("op", "")).lower(), operation["path"], operation.get("value"))
    return result


def _apply(document: Any, verb: str, path: str, value: Any) -> Any:
    if not path.startswith("/"):
        raise PatchError(f"{path} is not a JSON Pointer")
    *above, last = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]
    place = document
    for step in above:
        place = _step(place, step, path, create=verb == "add")
    if isinstance(place, list):
        _in_list(place, verb, last, value, path)
    elif isinstance(place, dict):
        _in_object(place, verb, last, value, path)
    else:
        raise PatchError(f"{path} leads nowhere")
    return document


def _step(place: Any, step: str, path: str, *, create: bool) -> Any:
    if isinstance(place, list) and step.isdecimal() and int(step) < len(place):
        return place[int(step)]
    if isinstance(place, dict):
        if step not in place and create:
            # Catalog's own sample adds /tags/unifiedProfile to a dataset that may have no tags yet.
            place[step] = {}
        if step in place:
            return place[step]
    raise PatchError(f"{path} leads nowhere")


def _in_list(place: list[Any], verb: str, last: str, value: Any, path: str) -> None:
    if verb == "add" and last == "-":
        place.append(value)
        return
    if not last.isdecimal() or int(last) > len(place) - (verb != "add"):
        raise PatchError(f"{path} leads nowhere")
    position = int(last)
    if verb == "add":
        place.insert(position, value)
    elif verb == "replace":
        place[position] = value
    elif verb == "remove":
        del place[position]
    else:
        raise PatchError(f"op {verb} is not supported")


def _in_object(place: dict[str, Any], verb: str, last: str, value: Any, path: str) -> None:
    if verb == "add":
        place[last] = value
    elif verb in ("replace", "remove") and last not in place:
        raise PatchError(f"{path} does not exist")
    elif verb == "replace":
        place[last] = value
    elif verb == "remove":
        del place[last]
    else:
        raise PatchError(f"op {verb} is not supported")
