"""Every function and method of the mapping language: importing this module registers those of all categories."""

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
from bridge.mapping.functions.registry import methods, registered

FUNCTIONS = registered()
METHODS = methods()
MODULES = (
    analytics, arrays, conversions, date_time, hashing, java_methods, logic, maps, objects, regular_expressions, special,
    text, urls, user_agents,
)  # fmt: skip

__all__ = ["FUNCTIONS", "METHODS", "MODULES"]
