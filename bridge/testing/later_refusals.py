"""An emulated AEP whose schema is stricter than the one that the bridge knows: some events pass its inlet and fail later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bridge.xdm.schema.compiled_schema import CompiledSchema

LATER: Final = "Refused later"
"""``campaign_name`` of an event that AEP refuses after its 200."""
CODE: Final = "DCVS-1103-400"
"""AEP's code for a text that does not match the schema's pattern."""
FIELD: Final = "_yourorgname.campaignName"


def strict_schema() -> CompiledSchema:
    """Takes everything but events of that campaign."""
    # The command line reads this module's names at every start; the schema's checks cost it 80 ms.
    from bridge.xdm.schema.compiled_schema import compile_schema  # noqa: PLC0415

    name = {"type": "string", "pattern": f"^(?!{LATER}$)"}
    return compile_schema(
        {
            "type": "object",
            "meta:class": "https://ns.adobe.com/xdm/context/experienceevent",
            "properties": {
                "_id": {"type": "string"},
                "timestamp": {"type": "string", "format": "date-time"},
                "_yourorgname": {"type": "object", "properties": {"campaignName": name}},
            },
        }
    )
