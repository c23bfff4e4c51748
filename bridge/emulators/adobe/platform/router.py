"""Finds the function for a method and a path; what stands in a segment is decoded only after the path was split."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.emulators.adobe.platform.calls import Handler, Route


class Router:
    """Routes by number of segments; a literal segment goes before a name in braces, wherever it was registered."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes: dict[int, list[tuple[str, list[str], Handler]]] = {}
        for method, path, handler in routes:
            steps = path.strip("/").split("/")
            self._routes.setdefault(len(steps), []).append((method, steps, handler))
        for known in self._routes.values():
            known.sort(key=lambda one: [step.startswith("{") for step in one[1]])

    def find(self, method: str, raw_path: str) -> tuple[Handler, dict[str, str], str] | bool:
        """The function, what stands in the braces and the decoded path; else whether another method would have fitted."""
        steps = [unquote(step) for step in raw_path.strip("/").split("/")]
        there = False
        for verb, pattern, handler in self._routes.get(len(steps), ()):
            parts = _parts(pattern, steps)
            if parts is None:
                continue
            if verb == method or (verb == "GET" and method == "HEAD"):
                return handler, parts, "/" + "/".join(steps)
            there = True
        return there


def _parts(pattern: list[str], steps: list[str]) -> dict[str, str] | None:
    parts = {}
    for wanted, step in zip(pattern, steps, strict=True):
        if wanted.startswith("{"):
            parts[wanted[1:-1]] = step
        elif wanted != step:
            return None
    return parts
