"""The text of .env.example: every setting, as the settings describe it."""

import textwrap

from bridge.settings import every_setting

HEAD = """\
# Settings of the bridge. Copy to .env and fill in the first part, where the receiver's credentials are to be uncommented;
# the rest has defaults that work. Of AEP only organisation, client id and secret are yours to fill in: aep-bridge setup apply
# writes tenant, endpoint and ids in the place of their examples (docs/setup.md).
# The environment wins over .env, .env over bridge.toml (there: [kafka] topic = "…"), and that over the defaults.
# For several routes (README.md, "Several workspaces, several sandboxes") a route's own value of any of these, but for those of
# telemetry, listener and processes, is BRIDGE_ROUTES__NAME__SECTION__KEY, dashes of NAME as underscores; for example
# BRIDGE_ROUTES__EU__AEP__SANDBOX=eu
# docs/setup.md says where in Adobe's consoles the credential comes from, README.md, "Go live", what MoEngage is told.
"""
FIRST = (
    "BRIDGE_MAPPING__TENANT",
    "BRIDGE_AEP__ENDPOINT",
    "BRIDGE_AEP__ORG_ID",
    "BRIDGE_AEP__SCHEMA_ID",
    "BRIDGE_AEP__DATASET_ID",
    "BRIDGE_AEP__FLOW_ID",
    "BRIDGE_OAUTH__CLIENT_ID",
    "BRIDGE_OAUTH__CLIENT_SECRET",
    "BRIDGE_RECEIVER__AUTH",
    "BRIDGE_RECEIVER__USERNAME",
    "BRIDGE_RECEIVER__PASSWORD",
)
"""What nobody can go live without: these stand in the file as examples that are in force, but for the receiver's."""
TO_DECIDE = (
    "BRIDGE_MAPPING__PRIMARY_IDENTITY",
    "BRIDGE_MAPPING__PATH",
    "BRIDGE_MAPPING__SCHEMA",
    "BRIDGE_AEP__SANDBOX",
    "BRIDGE_KAFKA__BOOTSTRAP_SERVERS",
)
"""What has a default that is an example's or a test's: every company looks at these before it goes live."""
RECEIVER = "BRIDGE_RECEIVER__"
"""Its credentials are left to be written: an example in force would be known to everybody, and is refused."""


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return "{}" if not value else str(value)
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _with_default(description: str, example: str, default: object, name: str) -> str:
    """One setting, commented out, with its default or else its example."""
    value = _written(default)
    told = f"{description} Default: {value}." if value else f"{description} Example: {example}"
    words = "\n".join(textwrap.wrap(told, 118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False))
    return f"\n{words}\n#{name}={value or example}\n"


def rendered() -> str:
    """What .env.example should say."""
    known = every_setting()
    parts = [HEAD, "\n# ---- Needed to go live " + "-" * 96 + "\n"]
    for name in FIRST:
        description, example, _ = known[name]
        words = "\n".join(
            textwrap.wrap(description, 118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
        )
        parts.append(f"\n{words}\n{'#' if name.startswith(RECEIVER) else ''}{name}={example}\n")
    parts.append("\n# ---- To be decided before: the defaults are those of the example " + "-" * 55 + "\n")
    parts += [_with_default(*known[name], name) for name in TO_DECIDE]
    section = ""
    for name, (description, example, default) in known.items():
        if name in (*FIRST, *TO_DECIDE):
            continue
        if (now := name.removeprefix("BRIDGE_").split("__")[0]) != section:
            section = now
            parts.append(f"\n# ---- {section.lower()} ".ljust(121, "-") + "\n")
        parts.append(_with_default(description, example, default, name))
    return "".join(parts)
