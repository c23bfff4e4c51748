"""A first mapping set for the columns of a table: what MoEngage has a name for under that name, the rest under its own. Pure.

A row is proposed by a column's name and by its values in some rows. What a person has to decide is told beside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.sets.mapping_set import MappingRow, MappingSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.mapping.syntax.cells import SourceType
    from bridge.settings import WarehouseSettings

STANDARD: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("email", "emailaddress", "email_id", "mail", "e_mail"),
    "first_name": ("firstname", "givenname", "fname"),
    "last_name": ("lastname", "surname", "familyname", "lname"),
    "mobile": ("mobile", "moe_mobile", "mobilenumber", "phone", "phonenumber", "msisdn"),
    "gender": ("gender", "sex"),
    "birthday": ("birthday", "birthdate", "dateofbirth", "dob"),
    "customer_city": ("city",),
    "customer_state": ("state",),
    "customer_country": ("country", "countrycode"),
}
"""MoEngage's attributes of a user by the names that columns give them. City, state and country are set only as a user is created."""
_OF_EVENTS: Final = {
    "action": ("action", "event", "eventname"),
    "user_time": ("usertime", "eventtime", "occurredat", "timestamp"),
    "platform": ("platform",),
}
_CUSTOMER: Final = ("customerid", "userid", "uid")
_OWN_PREFIX: Final = "moe_"
_MOMENT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?", flags=re.ASCII
)
_WHOLE_SECONDS: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", flags=re.ASCII)
_INTEGER: Final = re.compile(r"-?(?:0|[1-9]\d{0,8})", flags=re.ASCII)
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9]\d{0,8})\.\d{1,6}", flags=re.ASCII)
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", flags=re.ASCII)
_SECONDS: Final = "yyyy-MM-dd'T'HH:mm:ss'Z'"


@dataclass(slots=True)
class TableProposal:
    """The rows, and remarks for a person on columns that were left out or have to be looked at."""

    rows: list[MappingRow] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def mapping_set(self) -> MappingSet:
        """As a set."""
        return MappingSet(tuple(self.rows), sha256="")

    def add(self, source: str, destination: str, description: str = "", *, expression: bool = False) -> None:
        """Add a row."""
        kind: SourceType = "EXPRESSION" if expression else "ATTRIBUTE"
        self.rows.append(MappingRow(len(self.rows) + 2, kind, source, destination, description=description or None))


def propose_table(
    columns: Sequence[str], events: Sequence[Mapping[str, Any]], settings: WarehouseSettings, *, objects: bool
) -> TableProposal:
    """The proposal for ``columns``, of which ``events`` are some rows as they leave; ``objects``: the workspace takes objects."""
    made = TableProposal()
    users = settings.kind == "users"
    customer = _customer(columns, settings)
    if customer is None:
        made.remarks.append(
            "no column names the customer: give one the name customer_id, or name it in the row of customer.customer_id"
        )
        customer = "customer_id"
    made.add(customer, "customer.customer_id")
    taken: set[str] = set()
    for column in columns:
        if column in (customer, settings.cursor) or (users and column in settings.key):
            continue
        values = [event[column] for event in events if event.get(column) is not None]
        if not _PLAIN_NAME.fullmatch(column):
            made.remarks.append(f"{column}: give it a plain name in the query (AS), so that a path can name it")
            continue
        destination = _destination(column, users=users)
        if destination in taken:
            made.remarks.append(f"{column}: {destination} has a row already")
            continue
        if not objects and any(isinstance(value, dict) or _has_objects(value) for value in values):
            made.remarks.append(
                f"{column}: it holds objects, which the workspace does not take (BRIDGE_MOENGAGE__OBJECTS)"
            )
            continue
        taken.add(destination)
        expression = _expression(column, values, destination)
        made.add(expression or column, destination, expression=expression is not None)
        if not values and events:
            made.remarks.append(f"{column}: null in every row that was looked at")
    _of_the_mode(made, settings)
    if not users and "event.actions[0].action" not in taken:
        made.remarks.append("no column names the event: without a row for event.actions[0].action every row is refused")
    return made


def _customer(columns: Sequence[str], settings: WarehouseSettings) -> str | None:
    if "customer_id" in columns or (settings.kind == "users" and len(settings.key) == 1):
        return "customer_id"
    return next((column for column in columns if _folded(column) in _CUSTOMER), None)


def _destination(column: str, *, users: bool) -> str:
    folded = _folded(column)
    if users:
        known = next((name for name, names in STANDARD.items() if folded in map(_folded, names)), None)
        return f"customer.attributes.{known or _attribute(column)}"
    known = next((name for name, names in _OF_EVENTS.items() if folded in names), None)
    return f"event.actions[0].{known}" if known else f"event.actions[0].attributes.{_attribute(column)}"


def _attribute(column: str) -> str:
    """MoEngage keeps names that begin with moe_ for itself."""
    return column[len(_OWN_PREFIX) :] or "value" if column.lower().startswith(_OWN_PREFIX) else column


def _expression(column: str, values: Sequence[Any], destination: str) -> str | None:
    """What is to be done with the values so that MoEngage takes them for what they are; None where nothing is."""
    if destination.endswith(".platform"):
        return f'decode(lower({column}), "ios", "iOS", "android", "ANDROID", "web", "web", "tv", "TV", null)'
    texts = [value for value in values if isinstance(value, str)]
    if not texts or len(texts) != len(values):
        return None
    if all(_MOMENT.fullmatch(text) for text in texts) and (
        destination.endswith(".user_time") or not all(_WHOLE_SECONDS.fullmatch(text) for text in texts)
    ):
        return f'iif({column} == null, null, format(zone_date_to_utc(date({column})), "{_SECONDS}"))'
    if destination.rpartition(".")[2] in ("mobile", "action"):
        return None
    if all(_INTEGER.fullmatch(text) for text in texts):
        return f"to_integer({column})"
    if all(_INTEGER.fullmatch(text) or _DECIMAL.fullmatch(text) for text in texts):
        return f"to_decimal({column})"
    return None


def _of_the_mode(made: TableProposal, settings: WarehouseSettings) -> None:
    if settings.way != "mirror":
        return
    if settings.vanished == "event":
        made.add("sync_vanished.action", "event.actions[0].action", "Of a row that is gone.")
        made.add("sync_vanished.user_time", "event.actions[0].user_time")
    else:
        made.add("sync_vanished.update_existing_only", "customer.update_existing_only", "Of a row that is gone.")
        made.add("sync_vanished.unset_attributes", "customer.unset_attributes")


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _has_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)
