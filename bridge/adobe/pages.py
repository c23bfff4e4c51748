"""Documents of others, read without trust: a list of objects, a text, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_PAGES: Final = 1_000
"""Pages of one list; more means that a service pages in a circle."""

Document = dict[str, Any]


class Unreadable(BridgeError):  # noqa: N818 - it says what the answer is
    """An answer of the platform APIs has not the form that Adobe documents."""


def objects(value: Any, what: str) -> list[Document]:
    """``value`` as a list of JSON objects. Raises ``Unreadable``."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Unreadable(f"{what}: AEP's answer is not a list of objects")
    return value


def an_object(value: Any, what: str) -> Document:
    """``value`` as a JSON object. Raises ``Unreadable``."""
    if not isinstance(value, dict):
        raise Unreadable(f"{what}: AEP's answer is not an object")
    return value


def text(document: Any, *keys: str) -> str:
    """The text at a path of keys, "" where there is none."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, str) else ""


def texts(value: Any) -> tuple[str, ...]:
    """The texts of a list."""
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def first_text(values: Iterable[Any]) -> str:
    """The first text that is not empty."""
    return next((value for value in values if isinstance(value, str) and value), "")
