"""The expression that turns MoEngage's event codes into XDM's event types, for the codes that occur."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.compiler.expressions.evaluation import compile_expression

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_UNHEARD_OF: Final = "ANOTHER_CODE"
_OTHERS: Final = "moengage."


def for_codes(every: str, codes: Sequence[str], takes: Callable[[Any], bool]) -> str | None:
    """The part of the expression ``every`` that the ``codes`` need; None when no type of theirs is one that the field takes.

    ``takes``: whether the schema takes a value as eventType. Codes that are not listed become ``moengage.<code>`` where it does.
    """
    decode = compile_expression(every)

    def type_of(code: str) -> Any:
        return decode.evaluate({"event_code": code}).value

    default = type_of(_UNHEARD_OF) == _OTHERS + _UNHEARD_OF and takes(_OTHERS + _UNHEARD_OF)
    pairs = [(code, found) for code in codes if takes(found := type_of(code)) and found != _OTHERS + code]
    listed = ", ".join(f"{_text(code)}, {_text(found)}" for code, found in pairs)
    if not pairs:
        return f'concat("{_OTHERS}", event_code)' if default else None
    rest = f', concat("{_OTHERS}", event_code)' if default else ""
    decoded = f"decode(event_code, {listed}{rest})"
    # concat makes text of null, too: an event without a code has no type.
    return f"iif(event_code == null, nullify(), {decoded})" if default else decoded


def _text(value: Any) -> str:
    return json.dumps(str(value), ensure_ascii=False)
