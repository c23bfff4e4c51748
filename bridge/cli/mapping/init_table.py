"""``aep-bridge mapping init --table``: a first mapping set from the columns of the route's table, query or files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.cli.mapping.files import refuse_overwriting, write
from bridge.cli.terminal import say

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.routes.syncing.table_proposal import TableProposal
    from bridge.settings import Route

_LOOKED_AT = 1_000
"""Rows whose values are looked at."""


def init_table(name: str | None, table: str, output: Path | None, *, force: bool, as_json: bool) -> None:
    """Write the proposal for ``table``; ``-`` for what the settings of the route name."""
    from bridge.cli.sync.commands import warehouse_route
    from bridge.mapping.sets.convert import to_csv

    if output is not None:
        refuse_overwriting(output, force=force)
    route = warehouse_route(name)
    proposal = _proposed(route, table)
    if as_json:
        from bridge.cli.mapping import show

        show.data(_as_json(proposal))
    if output is not None or not as_json:
        write(to_csv(proposal.mapping_set), output)
    for remark in proposal.remarks:
        say(remark)
    if output is not None:
        say(f"set {route.variable('mapping', 'path')}={output}; aep-bridge sync plan shows what it makes of the rows")


def _proposed(route: Route, table: str) -> TableProposal:
    from bridge.routes.syncing.table_proposal import propose_table
    from bridge.sources.warehouse.databases.opening import open_source
    from bridge.sources.warehouse.rows import RowForm

    settings = route.settings.warehouse
    if table != "-":
        settings = settings.model_copy(update={"table": table, "query": None})
    source = open_source(settings)
    rows: list[dict[str, Any]] = []
    columns: tuple[str, ...] = ()
    try:
        for batch in source.batches():
            form = RowForm(
                batch.columns, key=settings.key or batch.columns[:1], users=settings.kind == "users", zone=settings.zone
            )
            columns = form.columns
            rows += form.documents(batch.rows[: _LOOKED_AT - len(rows)])
            if len(rows) >= _LOOKED_AT:
                break
    finally:
        source.close()
    return propose_table(columns, rows, settings, objects=route.settings.moengage.objects)


def _as_json(proposal: TableProposal) -> dict[str, Any]:
    return {
        "rows": [
            {"source_type": row.source_type, "source": row.source, "destination": row.destination}
            for row in proposal.rows
        ],
        "remarks": proposal.remarks,
    }
