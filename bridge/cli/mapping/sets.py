"""``aep-bridge mapping test | convert``: golden cases of a mapping set, and its form in Adobe's API."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING

import typer

from bridge.cli.mapping.commands import FILE, JSON, PRIMARY_IDENTITY, SCHEMA, TENANT, mapping
from bridge.cli.mapping.files import refuse_overwriting, write
from bridge.cli.route_option import MAPPED_ROUTE
from bridge.cli.terminal import say
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from bridge.mapping.sets.findings import Finding
    from bridge.mapping.sets.mapping_set import MappingSet
    from bridge.settings import MappingSettings


@mapping.command(name="test")
def run_golden(  # noqa: PLR0917 - typer reads the signature
    directory: Path = typer.Argument(
        ..., help="Golden cases: NAME.event.json with NAME.expected.json or NAME.rejected.json."
    ),
    file: Path | None = typer.Option(None, "--mapping", "-m", help="Mapping set; else that of the settings."),
    schema: Path | None = SCHEMA,
    tenant: str | None = TENANT,
    primary_identity: str | None = PRIMARY_IDENTITY,
    update: bool = typer.Option(
        False, "--update", help="Write what comes out as what is expected, and settings.json where there is none."
    ),
    as_json: bool = JSON,
    _route: str | None = MAPPED_ROUTE,
) -> None:
    """Run golden cases. Exit 1 when one fails.

    settings.json beside the cases says for which tenant and namespaces they were written; --update writes it. Cases for a tenant
    that the schema does not have are refused.

    Examples:
        aep-bridge mapping test mappings/tests --mapping mapping.csv

        aep-bridge mapping test cases --mapping mapping.csv --schema schema.json --tenant _yourorgname --update
    """
    from bridge import shipped
    from bridge.cli.mapping import inputs as given
    from bridge.cli.mapping import set_parts, show
    from bridge.mapping.workshop import golden
    from bridge.routes import golden_cases

    cases = golden.load_cases(shipped.find(directory))
    settings = golden_cases.settings_of(cases, set_parts.mapping_settings(path=file, schema=schema))
    said = set_parts.mapping_settings(path=file, schema=schema, tenant=tenant, primary_identity=primary_identity)
    if tenant is not None:
        settings = settings.model_copy(update={"tenant": said.tenant})
    if primary_identity is not None:
        settings = settings.model_copy(update={"primary_identity": said.primary_identity})
    _refuse_strange_tenant(settings)
    for_moengage = set_parts.is_for_moengage(settings)
    build = set_parts.builder(settings).build if for_moengage else None
    results = golden_cases.run(cases, settings, build, given.decoder(cases.settings.get("source")))
    if update:
        for path in (*golden.update(results), *golden_cases.keep_settings(cases, settings)):
            say(f"wrote {path}")
        return
    if as_json:
        show.data(show.golden_json(results))
    else:
        show.golden(results)
    failed = sum(1 for result in results if not result.passed)
    say(f"{len(results) - failed} of {len(results)} cases pass" + ("; --update takes what came out" if failed else ""))
    if failed:
        raise typer.Exit(1)


def _refuse_strange_tenant(settings: MappingSettings) -> None:
    """Cases of a tenant that the schema does not have would hold, and every event be wrong."""
    from bridge.mapping.compiler.schema_fields import tenants_of
    from bridge.routes.mapping_opening import schema_of

    schema = schema_of(settings)
    known = tenants_of(schema) if schema is not None else []
    if known and settings.tenant not in known:
        raise BridgeError(
            f"the tenant is {settings.tenant}, but the schema {settings.schema_path} has {' and '.join(known)}",
            hint=f"give --tenant {known[0]}, or set BRIDGE_MAPPING__TENANT={known[0]}",
        )


@mapping.command()
def convert(  # noqa: PLR0917 - typer reads the signature
    file: Path = FILE,
    output: Path | None = typer.Option(None, "--output", "-o", help="File to write (.csv or .json); else stdout."),
    to: str | None = typer.Option(None, "--to", help="csv or json; else the other form, or what --output ends in."),
    tenant: str | None = typer.Option(None, "--tenant", help="Fill {tenant} with this, as AEP fills no placeholders."),
    primary_identity: str | None = typer.Option(
        None, "--primary-identity", help="Fill {primary_identity} with this namespace."
    ),
    force: bool = typer.Option(False, "--force", help="Overwrite an existing file."),
) -> None:
    """Turn a CSV mapping set into the Data Prep API's JSON, or back; nothing is lost on the way.

    With --tenant and --primary-identity it is ready to be uploaded; rows that AEP itself would refuse are reported.

    Examples:
        aep-bridge mapping convert mapping.csv --output mapping.json

        aep-bridge mapping convert mapping.csv --tenant _yourorgname --primary-identity lumaCrmId --output upload.json

        aep-bridge mapping convert mapping.json --output mapping.csv
    """
    from bridge import shipped
    from bridge.mapping.sets.convert import filled, to_csv, to_json
    from bridge.mapping.sets.table import load_mapping_set

    where = shipped.find(file)
    mapping_set = load_mapping_set(where)
    if to is None and output is not None and output.suffix.lower() in (".csv", ".json"):
        to = output.suffix.lower()[1:]
    if to is None:
        to = "csv" if where.suffix.lower() == ".json" else "json"
    if to not in ("csv", "json"):
        raise typer.BadParameter("csv or json", param_hint="--to")
    if output is not None:
        refuse_overwriting(output, force=force)
    known = {"tenant": tenant, "primary_identity": primary_identity}
    mapping_set = filled(mapping_set, {name: value for name, value in known.items() if value is not None})
    write(to_csv(mapping_set) if to == "csv" else to_json(mapping_set), output)
    if to == "json":
        _tell_placeholders(mapping_set)
    for finding in _not_for_adobe(mapping_set) if to == "json" else ():
        say(f"AEP cannot take row {finding.row}: {finding.message}" + (f" (fix: {finding.fix})" if finding.fix else ""))


def _tell_placeholders(mapping_set: MappingSet) -> None:
    """Name the placeholders that are left: AEP would take them for names of fields."""
    from bridge.mapping.syntax.cells import fill

    left = {name for row in mapping_set.rows for text in (row.source, row.destination) for name in fill(text, {})[1]}
    if left:
        options = " ".join(
            f"--{name.replace('_', '-')} …" for name in sorted(left) if name in ("tenant", "primary_identity")
        )
        say(
            f"AEP fills no placeholders, and {', '.join(f'{{{name}}}' for name in sorted(left))} stand in it:"
            f" before it is uploaded, fill them{f' ({options})' if options else ''}"
        )


def _not_for_adobe(mapping_set: MappingSet) -> list[Finding]:
    """Rows that work here and that AEP would refuse."""
    from bridge.mapping.lint.rules import lint

    codes = ("expression_too_long", "availability", "reserved_word", "identifier_unwrapped", "placeholder_unknown")
    found = lint(mapping_set, tenant="_tenant", primary_identity="namespace")
    return [one for one in found if one.code in codes]
