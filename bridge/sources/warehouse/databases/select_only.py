"""Only what reads may run: a query is parsed in the database's dialect, and anything but one SELECT is refused before it is sent.

The database is asked for a read-only transaction besides (:mod:`bridge.sources.warehouse.databases.database`), where it has one; this check is
what says why, and what stands where it has none.
"""

from __future__ import annotations

import logging
import re
from typing import Final

from bridge.model.errors import BridgeError

DIALECTS: Final = {
    "postgresql": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
    "duckdb": "duckdb",
    "snowflake": "snowflake",
    "bigquery": "bigquery",
    "redshift": "redshift",
    "databricks": "databricks",
    "mssql": "tsql",
    "oracle": "oracle",
    "trino": "trino",
    "clickhouse": "clickhouse",
}
"""sqlglot's names by SQLAlchemy's."""
_WRITES: Final = (
    "Alter",
    "Attach",
    "Command",
    "Commit",
    "Copy",
    "Create",
    "Delete",
    "Detach",
    "Drop",
    "Execute",
    "Grant",
    "Insert",
    "Into",
    "Kill",
    "LoadData",
    "Lock",
    "Merge",
    "NextValueFor",
    "Pragma",
    "Rollback",
    "Set",
    "Transaction",
    "TruncateTable",
    "Update",
    "Use",
)
"""Kinds of nodes that change something, or hold locks on it."""
_ASSIGNMENT: Final = "PropertyEQ"
"""In MySQL ``@a := 1``; elsewhere a member of a struct."""
_ACTS: Final = re.compile(
    r"pg_(terminate|cancel)_backend|pg_(try_)?advisory_.*|pg_(reload_conf|rotate_logfile|promote|switch_wal|logical_.*|create_.*"
    r"|drop_.*|replication_.*|notify|sleep.*|wal_.*|start_backup|stop_backup|file_.*|read_.*|ls_.*|stat_reset.*|import_.*)"
    r"|set_config|setval|nextval|lo_.*|dblink.*|(query|cursor|table)_to_xml.*|xmltable_exec"
    r"|get_lock|release_lock|release_all_locks|is_free_lock|sleep|benchmark|load_file|lastval|sys_exec|sys_eval"
    r"|load_extension|writefile|edit|fts3_tokenizer|system|shell|http_(get|post).*|query|query_table|pragma_.*_set"
    r"|system\$.*|xp_.*|sp_.*|openrowset|openquery|utl_.*|dbms_.*|url|remote.*|executable|file",
    flags=re.IGNORECASE,
)
"""Functions that do something beside giving a value: end sessions, take locks, draw numbers, write, or run what they are given."""
_EXECUTABLE_COMMENT: Final = re.compile(r"/\*M?!")
_HINT: Final = (
    "BRIDGE_WAREHOUSE__QUERY is one SELECT that only reads; what it needs prepared belongs into a view of the database"
)


def check_select(query: str, backend: str) -> None:
    """Raise ``BridgeError`` where ``query`` is not one SELECT that only reads. ``backend``: SQLAlchemy's name of the database."""
    try:
        import sqlglot  # noqa: PLC0415 - an extra, and slow to import
        from sqlglot import exp  # noqa: PLC0415 - as above
        from sqlglot.errors import SqlglotError  # noqa: PLC0415 - as above
    except ModuleNotFoundError:
        raise BridgeError("a query is checked with sqlglot, which is not installed", hint=EXTRA) from None
    # It tells what it does not understand; whatever that is is refused below.
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    try:
        statements = [each for each in sqlglot.parse(query, dialect=DIALECTS.get(backend)) if each is not None]
    except SqlglotError as error:
        first = str(error).splitlines()[0] if str(error) else "it cannot be read"
        raise BridgeError(f"the query is not understood: {first}", hint=_HINT) from None
    except RecursionError:
        raise BridgeError("the query is nested too deeply to be checked", hint=_HINT) from None
    if len(statements) != 1:
        raise BridgeError(f"the query has {len(statements)} statements", hint=_HINT)
    (statement,) = statements
    if not isinstance(statement, exp.Query):
        raise BridgeError(f"the query is not a SELECT ({type(statement).__name__.upper()})", hint=_HINT)
    mysql = backend in ("mysql", "mariadb")
    if mysql and _EXECUTABLE_COMMENT.search(query):
        raise BridgeError("the query has a comment that the database runs (/*! … */)", hint=_HINT)
    for node in statement.walk():
        name = type(node).__name__
        if name in _WRITES or (mysql and name == _ASSIGNMENT):
            raise BridgeError(f"the query does more than read ({_told(name)})", hint=_HINT)
        if isinstance(node, exp.Func) and _ACTS.fullmatch(called := _name_of(node)):
            raise BridgeError(f"the query calls {called}, which does more than give a value", hint=_HINT)
        if isinstance(node, exp.Column) and node.name.lower() in ("nextval", "currval"):
            raise BridgeError("the query draws a number from a sequence", hint=_HINT)


EXTRA: Final = "pip install 'moengage-aep-bridge[warehouse]'"


def _name_of(node: object) -> str:
    given = getattr(node, "name", "") if type(node).__name__ == "Anonymous" else ""
    return str(given or getattr(type(node), "sql_name", lambda: type(node).__name__)()).lower()


def _told(name: str) -> str:
    return {"Lock": "FOR UPDATE", _ASSIGNMENT: "an assignment", "Into": "INTO"}.get(name, name.upper())
