"""What the sections of the settings are made of: their base, the forms of values, the names of variables."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode

PREFIX = "BRIDGE_"

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Names = Annotated[tuple[str, ...], NoDecode]
"""Comma-separated in the environment, a list in TOML."""


def bare(text: str) -> str:
    """A text without what editors, files and ``docker --env-file`` put around it: marks of no width, blanks, quotes."""
    text = _AROUND.sub("", text)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = _AROUND.sub("", text[1:-1])
    return text


_AROUND = re.compile(r"^[\s\ufeff\u200b-\u200d\u2060]+|[\s\ufeff\u200b-\u200d\u2060]+\Z")


def clean_secret(value: Any) -> Any:
    """A secret as :func:`bare` text. Raises ``ValueError`` when nothing is left."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return value
    if _is_blank(text := bare(text)):
        raise ValueError("the secret is blank")
    return text


def _is_blank(text: str) -> bool:
    """Whether nothing of it is to be seen: marks of no width, control characters and quotes hold no secret."""
    return not any(char.isprintable() and not char.isspace() and char not in "\"'" for char in text)


def _clean_user(value: Any) -> Any:
    if isinstance(value, str) and value and _is_blank(value := bare(value)):
        raise ValueError("the user is blank")
    return value


def _clean_text(value: Any) -> Any:
    if isinstance(value, str) and value and _is_blank(value := bare(value)):
        raise ValueError("the value is blank")
    return value


Text = Annotated[str, BeforeValidator(_clean_text)]
"""A name or an id that the other side knows, as :func:`bare` text: nobody's begins or ends with what files put around it."""
Secret = Annotated[SecretStr, BeforeValidator(clean_secret)]
User = Annotated[str, BeforeValidator(_clean_user)]
"""The name that goes with a secret, read as leniently."""


def is_example(value: SecretStr | str | None) -> bool:
    """Whether a credential is one that documents show, and so everybody knows, or the place for one."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if text is None:
        return False
    letters = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", bare(text)).lower()))
    return _PLACE.fullmatch(letters) is not None or _TEMPLATE.fullmatch(bare(text)) is not None


_KIND = r"[a-z]{0,24}(?:secret|password|passwd|passphrase|key|token|value|credential)s?"
_PLACE = re.compile(
    r".*changeme.*|(?:change|replace)(?:it|this|me)"
    rf"|(?:[a-z]{{0,12}}your|enter|insert|paste|replacewith){_KIND}(?:here)?|{_KIND}(?:goes)?here"
    r"|placeholder|todo|tbd|fixme|x{3,}"
)
"""What stands in the place of a secret in documents, lower-cased and without the marks between its words."""
_TEMPLATE = re.compile(r"<[^<>]*>|\$\{[^{}]*\}|\$[A-Z_][A-Z0-9_]*|\{\{[^{}]*\}\}|%[A-Z_][A-Z0-9_]*%")
"""A place that was to be filled, and is not."""


def refuse_example(name: str, value: SecretStr | None) -> None:
    """Raise ``ValueError`` for the credential of the setting ``name`` where it is still the example."""
    if is_example(value):
        raise ValueError(f"{name} is still the example, which everybody knows: set a secret of your own")


def split(value: Any) -> Any:
    """A comma-separated text, or one that holds a JSON array, as a tuple; anything else as it is."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json_object(value)
    parts = tuple(part.strip() for part in value.split(",") if part.strip())
    if any(len(part) > 1 and part[0] == part[-1] and part[0] in "\"'" for part in parts):
        raise ValueError("expected names with commas between, without quotes")
    return parts


def json_object(value: Any) -> Any:
    """A text as the JSON it holds; anything else as it is. Raises ``ValueError``."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("expected JSON") from None


def _part(value: Any) -> Any:
    text = str(value).strip().lower()
    if text == "auto":
        return text
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise ValueError("expected auto, or the number of equal parts (1 or more)")


RateShare = Annotated[int | Literal["auto"], BeforeValidator(_part)]
"""A worker's part of rates that belong to an account: by its share of the partitions, or a number N: one part of N."""


def variable(section: str, key: str) -> str:
    """The environment name of a setting: ``kafka``, ``topic`` -> ``BRIDGE_KAFKA__TOPIC``."""
    return f"{PREFIX}{section}__{key}".upper()


class Section(BaseModel):
    """A group of settings; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)
