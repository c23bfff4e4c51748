"""Special operations (data-prep/functions): identifiers; and the bridge's own ``jmespath``."""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

from bridge.mapping.functions.arguments import text_of
from bridge.mapping.functions.registry import NOT_CONSTANT, FunctionError, Parameter, function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

CATEGORY = "Special operations"
MAX_JMESPATH = 4096
_KNOWN = frozenset(Functions.FUNCTION_TABLE)


@function("uuid", CATEGORY, "A random id: never for _id, which must survive a replay.", returns="string",
          aliases=("guid",), pure=False)  # fmt: skip
def random_id() -> str:
    """``uuid()``."""
    return str(uuid.uuid4())


@function(
    "fpid_to_ecid",
    CATEGORY,
    "First-party device id to Experience Cloud ID.",
    Parameter("STRING", "string"),
    returns="string",
    refused="Adobe does not publish how an FPID becomes an ECID; send the FPID in its own namespace instead",
)
def fpid_to_ecid(_: Any) -> str:
    """``fpid_to_ecid(STRING)``."""
    raise FunctionError("fpid_to_ecid: Adobe does not publish how an FPID becomes an ECID")


def _functions(node: Any) -> Iterator[str]:
    """The names of functions in a parsed JMESPath expression."""
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _functions(child)


@lru_cache(maxsize=256)
def _searcher(expression: str) -> Callable[[Any], Any]:
    if len(expression) > MAX_JMESPATH:
        raise FunctionError(f"the JMESPath expression is longer than {MAX_JMESPATH} characters")
    try:
        compiled = jmespath.compile(expression)
        unknown = next((name for name in _functions(compiled.parsed) if name not in _KNOWN), None)
    except (JMESPathError, RecursionError) as error:
        raise FunctionError(f"JMESPath: {error}") from None
    if unknown is not None:
        raise FunctionError(f"JMESPath has no function {unknown}; it has {', '.join(sorted(_KNOWN))}")
    search = compiled.search

    def searched(value: Any) -> Any:
        try:
            return search(value)
        except (JMESPathError, RecursionError):
            raise FunctionError("jmespath: the expression cannot be evaluated over this value") from None

    return searched


def _jmespath_at(constants: Sequence[Any]) -> Callable[..., Any] | None:
    if constants[0] is NOT_CONSTANT or constants[0] is None:
        return None
    search = _searcher(text_of(constants[0]))
    if len(constants) == 1:
        return lambda event, _: search(event)
    return lambda _event, _expression, value: search(value)


@function(
    "jmespath",
    "Beyond Data Prep",
    "What a JMESPath expression finds in the event, or in VALUE. The bridge's own: AEP does not know it.",
    Parameter("EXPRESSION", "string"),
    Parameter("VALUE", required=False),
    returns="any",
    availability="this bridge only",
    needs_event=True,
    specialize=_jmespath_at,
)
def search_jmespath(event: Mapping[str, Any], expression: Any, *value: Any) -> Any:
    """``jmespath("...")``, ``jmespath("...", VALUE)``."""
    return None if expression is None else _searcher(text_of(expression))(value[0] if value else event)
