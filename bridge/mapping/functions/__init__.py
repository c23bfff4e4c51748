"""The functions of the mapping language, one module a category; importing this package registers them all."""

# The order of import is the order of lists: those that most mappings use come first.
from bridge.mapping.functions import text

# isort: split
from bridge.mapping.functions import (
    analytics,
    arrays,
    conversions,
    date_time,
    hashing,
    java_methods,
    logic,
    maps,
    objects,
    regular_expressions,
    special,
    urls,
    user_agents,
)
from bridge.mapping.functions.registry import Attribute, Function, FunctionError, Parameter, methods, registered

FUNCTIONS = registered()
METHODS = methods()
MODULES = (
    analytics, arrays, conversions, date_time, hashing, java_methods, logic, maps, objects, regular_expressions, special,
    text, urls, user_agents,
)  # fmt: skip

__all__ = ["FUNCTIONS", "METHODS", "MODULES", "Attribute", "Function", "FunctionError", "Parameter"]
