"""A connection to a private destination, as somebody makes it in Adobe's screens: there is no public call for it.

``POST /control {"platform": {"connections": [{"id": …, "destination": …, …}]}}`` puts it there.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Connection(BaseModel):
    """What was entered in *Connect to destination* and in the mapping step."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(description="The destination instance id.")
    destination: str = Field(description="The id of the destination.")
    customer_data: dict[str, str] = Field(default_factory=dict, description="What was entered in its fields.")
    token: SecretStr | None = Field(None, description="The bearer token that was entered.")
    identities: dict[str, str] = Field(default_factory=dict, description="Source namespace to target identity.")
    attributes: dict[str, str] = Field(default_factory=dict, description="XDM path to target attribute.")
    audiences: dict[str, str] = Field(default_factory=dict, description="Ids and names of the audiences.")

    def exported(self, profile: dict[str, Any]) -> dict[str, Any]:
        """A profile of the XDM schema as a template gets it: what is mapped, under the names of the target."""
        identities: dict[str, list[Any]] = {}
        for namespace, target in self.identities.items():
            if given := (profile.get("identityMap") or {}).get(namespace):
                identities.setdefault(target, []).extend(given)
        members = {
            namespace: {one: member for one, member in audiences.items() if one in self.audiences}
            for namespace, audiences in (profile.get("segmentMembership") or {}).items()
        }
        return {
            "segmentMembership": members,
            "identityMap": identities,
            "attributes": {target: _wrapped(_at(profile, path)) for path, target in self.attributes.items()},
        }


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _wrapped(value: Any) -> dict[str, Any]:
    return {} if value is None else {"value": value}
