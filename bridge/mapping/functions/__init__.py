"""The functions of the mapping language, one module a category; importing this package registers them all."""

from bridge.mapping.functions.registry import Function, FunctionError, Parameter, registered

FUNCTIONS = registered()

__all__ = ["FUNCTIONS", "Function", "FunctionError", "Parameter"]
