"""How one value of one attribute fails, for functions and for the coercions and dates below them."""

from __future__ import annotations

from bridge.model.errors import BridgeError


class FunctionError(BridgeError):
    """A function cannot give a value for these arguments: the attribute becomes null with this as the reason.

    The message names functions, parameters and constants of the mapping, never a value of the event: it reaches logs.
    Raised while a mapping is compiled (by ``specialize``), it is a finding of the compiler.
    """
