"""The stable codes of findings, each with its meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CODES: Final[Mapping[str, str]] = {
    "unreadable": "the file cannot be read",
    "too_large": "the file is larger than a mapping set can be",
    "not_utf8": "the file is not UTF-8",
    "not_csv": "the file is not CSV as RFC 4180 describes it",
    "not_json": "the file is not JSON",
    "no_mappings": "the JSON is no mapping set",
    "no_rows": "there is a header and nothing below it",
    "not_a_mapping": "an entry of mappings is no object",
    "not_text": "a cell that must be text is not",
    "header_missing": "a needed column is missing",
    "header_twice": "two columns mean the same",
    "too_many_cells": "a row has more cells than the header",
    "extra_not_json": "the columns extra and mapping_set hold JSON objects",
    "source_type_unknown": "sourceType is none of ATTRIBUTE, EXPRESSION, STATIC",
    "source_empty": "the source is empty",
    "destination_empty": "the destination is empty",
    "placeholder_unknown": "a {placeholder} that no setting fills",
    "syntax": "the source is no path, or no expression",
    "destination_syntax": "the destination is no path",
    "destination_duplicate": "two rows write the same destination",
    "destination_overlap": "two rows want the same place to be of different kinds",
    "wildcards": "more [*] in the destination than in the source",
    "unknown_function": "no function of that name",
    "unknown_method": "no method of that name",
    "arity": "a function has too few or too many arguments",
    "refused_function": "a function whose algorithm Adobe does not publish",
    "constant_invalid": "a constant that can never work: a date pattern, a regular expression, an option",
    "constant_fails": "a call whose constants always give null",
    "text_wanted": "an array or object where a function takes text: it gives null",
    "column_unknown": "a column of the file that means nothing here",
    "on_invalid_unknown": "the column on_invalid holds neither drop nor reject",
    "lambda_misplaced": "a lambda where no function takes one",
    "attribute_is_expression": "source_type says ATTRIBUTE, the source is an expression",
    "static_is_expression": "source_type says STATIC, the source is an expression or stands in quotes",
    "expression_too_long": "longer than the 4096 characters that AEP allows for a calculated field",
    "reserved_word": "a field named like a reserved word or a function: AEP wants it wrapped as ${name}",
    "identifier_unwrapped": "a field name that is no identifier: AEP wants it wrapped as ${name}",
    "availability": "a function that Adobe offers only in certain flows",
    "random_id": "_id changes at every run, so that re-sent events are counted twice",
    "required_missing": "no row writes _id, timestamp or identityMap, or a field that the schema requires",
    "primary_missing": "no identity is marked primary",
    "primary_twice": "more than one identity is marked primary",
    "identity_shape": "what is written to identityMap could never be an identity",
    "unknown_source": "none of the sample events has the source path",
    "tenant_unknown": "the schema has another tenant",
    "tenant_example": "the tenant of the example, and an endpoint of Adobe's",
    "primary_not_listed": "a row marks a namespace primary that BRIDGE_MAPPING__PRIMARY_IDENTITY does not name",
    "namespace_unknown": "no namespace that is written may be primary",
    "schema_id_differs": "the schema file is not the schema that events are declared for",
    "destination_unknown": "the schema has no such field",
    "type_mismatch": "the value can never have the type of the schema's field",
}
"""Every code of a finding, and what it says."""
