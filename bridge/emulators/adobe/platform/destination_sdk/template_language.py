"""Message templates: the tags that Adobe allows (``for``, ``if``, ``set``, ``filter``), prints and comments, rendered for real.

Source: AEP docs, destination-sdk/functionality/destination-server/supported-functions.md and message-format.md; Pebble's guide. A
``-`` beside a delimiter takes the white space on that side away; the line break behind a tag stays, as in Adobe's samples.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.destination_sdk.template_expressions import Parser
from bridge.emulators.adobe.platform.destination_sdk.template_values import (
    Escaping,
    Safe,
    TemplateError,
    apply_filter,
    items,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.emulators.adobe.platform.destination_sdk.template_expressions import Expression

    Write = Callable[[str], object]
    Node = Callable[[dict[str, Any], Write, Escaping], None]

_PIECE: Final = re.compile(
    r"\{#(?P<before_comment>-?).*?(?P<after_comment>-?)#\}"
    r"|\{\{(?P<before_print>-?)(?P<print>.*?)(?P<after_print>-?)\}\}"
    r"|\{%(?P<before_tag>-?)(?P<tag>.*?)(?P<after_tag>-?)%\}",
    re.DOTALL,
)
_ALLOWED: Final = ("for", "if", "set", "filter")


def render(template: str, scope: Mapping[str, Any], escaping: Escaping) -> str:
    """The output of a template. Raises ``TemplateError``."""
    nodes, _ = _Reading(template).nodes()
    written: list[str] = []
    _run(nodes, dict(scope), written.append, escaping)
    return "".join(written)


def _run(nodes: list[Node], scope: dict[str, Any], write: Write, escaping: Escaping) -> None:
    for node in nodes:
        node(scope, write, escaping)


def _pieces(template: str) -> list[tuple[str, str]]:
    """The template as (``text``, ``print`` or ``tag``, what stands in it)."""
    found: list[tuple[str, str]] = []
    at, trims = 0, False
    for match in _PIECE.finditer(template):
        text = template[at : match.start()]
        text = text.lstrip() if trims else text
        kind = "comment" if match["before_comment"] is not None else "print" if match["print"] is not None else "tag"
        found.append(("text", text.rstrip() if match[f"before_{kind}"] else text))
        if kind != "comment":
            found.append((kind, match[kind]))
        at, trims = match.end(), bool(match[f"after_{kind}"])
    rest = template[at:]
    found.append(("text", rest.lstrip() if trims else rest))
    for kind, text in found:
        if kind == "text" and any(mark in text for mark in ("{{", "{%", "{#")):
            raise TemplateError("a delimiter is not closed")
    return found


class _Reading:
    """Reads the pieces of one template into nodes."""

    def __init__(self, template: str) -> None:
        self._pieces = iter(_pieces(template))
        self.ended_by = ""

    def nodes(self, *ends: str) -> tuple[list[Node], Parser | None]:
        """Nodes up to a tag of ``ends``, and that tag's head behind its name; up to the end of the template without any."""
        found: list[Node] = []
        for kind, text in self._pieces:
            if kind == "text":
                found.append(_text(text))
            elif kind == "print":
                head = Parser(text)
                found.append(_print(head.expression()))
                head.finish()
            else:
                head = Parser(text)
                if (name := head.name()) in ends:
                    self.ended_by = name
                    return found, head
                found.append(self._tag(name, head))
        if ends:
            raise TemplateError(f"{ends[-1]} is missing")
        return found, None

    def _tag(self, name: str, head: Parser) -> Node:
        if name == "for":
            return self._for(head)
        if name == "if":
            return self._if(head)
        if name == "set":
            variable = head.name()
            head.expect("=")
            value = head.expression()
            head.finish()
            return lambda scope, _write, _escaping: scope.__setitem__(variable, value(scope))
        if name == "filter":
            return self._filter(head)
        raise TemplateError(f"the tag {name} is not supported; there are {', '.join(_ALLOWED)}")

    def _for(self, head: Parser) -> Node:
        variable = head.name()
        head.expect("in")
        through = head.expression()
        head.finish()
        body, _ = self.nodes("else", "endfor")
        without: list[Node] = []
        if self.ended_by == "else":
            without, _ = self.nodes("endfor")

        def node(scope: dict[str, Any], write: Write, escaping: Escaping) -> None:
            every = items(through(scope))
            for index, one in enumerate(every):
                loop = {
                    "index": index,
                    "length": len(every),
                    "first": index == 0,
                    "last": index == len(every) - 1,
                    "revindex": len(every) - 1 - index,
                }
                _run(body, {**scope, variable: one, "loop": loop}, write, escaping)
            if not every:
                _run(without, scope, write, escaping)

        return node

    def _if(self, head: Parser) -> Node:
        branches: list[tuple[Expression, list[Node]]] = []
        otherwise: list[Node] = []
        condition = head.expression()
        head.finish()
        while True:
            body, more = self.nodes("elseif", "else", "endif")
            branches.append((condition, body))
            if self.ended_by == "elseif" and more is not None:
                condition = more.expression()
                more.finish()
                continue
            if self.ended_by == "else":
                otherwise, _ = self.nodes("endif")
            break

        def node(scope: dict[str, Any], write: Write, escaping: Escaping) -> None:
            _run(next((body for test, body in branches if test(scope)), otherwise), scope, write, escaping)

        return node

    def _filter(self, head: Parser) -> Node:
        filters = [(head.name(), head.arguments())]
        while head.word("|"):
            filters.append((head.name(), head.arguments()))
        head.finish()
        body, _ = self.nodes("endfilter")

        def node(scope: dict[str, Any], write: Write, escaping: Escaping) -> None:
            written: list[str] = []
            _run(body, dict(scope), written.append, escaping)
            value: Any = Safe("".join(written))
            for name, arguments in filters:
                value = apply_filter(name, value, [one(scope) for one in arguments])
            write(str(value))

        return node


def _text(text: str) -> Node:
    def node(_scope: dict[str, Any], write: Write, _escaping: Escaping) -> None:
        write(text)

    return node


def _print(value: Expression) -> Node:
    def node(scope: dict[str, Any], write: Write, escaping: Escaping) -> None:
        write(escaping.printed(value(scope)))

    return node
