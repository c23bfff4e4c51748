"""The functions of the mapping language, one module a category; importing this package registers them all."""

from bridge.mapping.functions import (
    arrays,
    date_time,
    hashing,
    logic,
    maps,
    objects,
    special,
    text,
)
from bridge.mapping.functions.registry import Attribute, Function, FunctionError, Parameter, methods, registered

FUNCTIONS = registered()
METHODS = methods()

__all__ = ["FUNCTIONS", "METHODS", "Attribute", "Function", "FunctionError", "Parameter"]
_CATEGORIES = (arrays, date_time, hashing, logic, maps, objects, special, text)
