"""What the sections of the settings are made of: their base, the forms of values, the names of variables."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import NoDecode

PREFIX = "BRIDGE_"

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Names = Annotated[tuple[str, ...], NoDecode]
"""Comma-separated in the environment, a list in TOML."""


def split(value: Any) -> Any:
    """A comma-separated text, or one that holds a JSON array, as a tuple; anything else as it is."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json_object(value)
    return tuple(part.strip() for part in value.split(",") if part.strip())


def json_object(value: Any) -> Any:
    """A text as the JSON it holds; anything else as it is. Raises ``ValueError``."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("expected JSON") from None


def variable(section: str, key: str) -> str:
    """The environment name of a setting: ``kafka``, ``topic`` -> ``BRIDGE_KAFKA__TOPIC``."""
    return f"{PREFIX}{section}__{key}".upper()


class Section(BaseModel):
    """A group of settings; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
