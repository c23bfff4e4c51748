"""All sections in one model, and how it is read from environment, ``.env`` and ``bridge.toml``."""

from __future__ import annotations

import io
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dotenv.parser import parse_stream
from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from bridge.model.errors import SettingsError
from bridge.settings.adobe import AdobeSettings
from bridge.settings.aep import AepSettings, OauthSettings
from bridge.settings.kafka import KafkaSettings
from bridge.settings.mapping import MappingSettings
from bridge.settings.moengage import MoEngageSettings
from bridge.settings.mparticle import MParticleSettings
from bridge.settings.receiver import ReceiverSettings
from bridge.settings.reconcile import ReconcileSettings
from bridge.settings.running import TelemetrySettings, WorkerSettings
from bridge.settings.section import PREFIX, variable
from bridge.settings.setup import SetupSettings
from bridge.settings.tree import ROUTES
from bridge.settings.warehouse import WarehouseSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import ValidationError

ENV_FILE = ".env"
TOML_FILE = "bridge.toml"


class _TopLevel(TomlConfigSettingsSource):
    """The sections of ``bridge.toml``; its routes are read by :mod:`bridge.settings.deployment`."""

    def __call__(self) -> dict[str, Any]:
        return {section: keys for section, keys in super().__call__().items() if section != ROUTES}


class Settings(BaseSettings):
    """All sections; ``load_settings`` builds it and turns every complaint into a :class:`~bridge.model.errors.SettingsError`."""

    kafka: KafkaSettings = KafkaSettings()
    # Its paths are those of the working folder when the settings are read, not when this is imported.
    mapping: MappingSettings = Field(default_factory=MappingSettings)
    aep: AepSettings = AepSettings()
    oauth: OauthSettings = OauthSettings()
    setup: SetupSettings = SetupSettings()
    moengage: MoEngageSettings = MoEngageSettings()
    receiver: ReceiverSettings = ReceiverSettings()
    adobe: AdobeSettings = AdobeSettings()
    mparticle: MParticleSettings = MParticleSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    reconcile: ReconcileSettings = ReconcileSettings()
    worker: WorkerSettings = WorkerSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        # A .env file serves other programs too; unknown names of ours are refused by load_settings.
        dotenv_filtering="only_existing",
        # An empty variable is an unset one: compose files hand over what is not set as "".
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of the sources; the TOML file is the weakest."""
        return init_settings, env_settings, dotenv_settings, _TopLevel(settings_cls, TOML_FILE)


def every_setting() -> dict[str, tuple[str, str, Any]]:
    """Environment name -> (description, example, default) of every setting, in order."""
    found: dict[str, tuple[str, str, Any]] = {}
    for section, outer in Settings.model_fields.items():
        for name, inner in outer.annotation.model_fields.items():  # type: ignore[union-attr]
            example = str((inner.examples or [""])[0])
            found[variable(section, inner.alias or name)] = (
                inner.description or "",
                example,
                inner.get_default(call_default_factory=True),
            )
    return found


def check_files() -> None:
    """Raise ``SettingsError`` where ``.env`` or ``bridge.toml`` cannot be read as what they are."""
    for name in (ENV_FILE, TOML_FILE):
        path = Path(name)
        if path.is_dir():
            raise SettingsError(
                f"{name} is a directory", hint="a container runtime makes one where the file to be mounted is not there"
            )
        if not path.is_file():
            continue
        try:
            text = path.read_bytes().decode()  # read_text would turn a lone CR, which TOML refuses, into a line's end
            if name == TOML_FILE:
                tomllib.loads(text)
            else:
                _refuse_lines(text)
        except OSError as error:
            raise SettingsError(f"{name} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{name} is not UTF-8 text") from None
        except tomllib.TOMLDecodeError as error:
            mark = "; save it without a byte order mark" if text.startswith("\ufeff") else ""
            raise SettingsError(f"{name} is not TOML: {error}{mark}") from None


def _refuse_lines(text: str) -> None:
    """A line of ours that is no assignment would be left out, and its default taken instead; so would a variable that is not set."""
    known = set(os.environ)
    for found in parse_stream(io.StringIO(text)):
        written, key = found.original.string, found.key or ""
        line = found.original.line + written[: len(written) - len(written.lstrip())].count("\n")
        is_ours = key.upper().startswith(PREFIX)
        if (found.error and PREFIX in written.upper()) or (is_ours and found.value is None):
            raise SettingsError(f"{ENV_FILE}, line {line}: expected NAME=value, with both quotes or none")
        if is_ours and not known.issuperset(_UNDEFAULTED.findall(found.value or "")):
            # The variable's name may be a part of a secret.
            raise SettingsError(
                f"{ENV_FILE}, line {line}: {key} holds ${{NAME}} of a variable that is not set",
                hint=f"set it, or write ${{NAME:-default}}; a text with ${{ in it goes into {TOML_FILE} or the environment",
            )
        known.add(key)


_UNDEFAULTED = re.compile(r"\$\{([^}:]*)\}")
"""What python-dotenv replaces by nothing where the variable is not set."""


def refuse_undecodable(environment: Mapping[str, str]) -> None:
    """Raise ``SettingsError`` for variables of ours whose bytes are no UTF-8: nothing could be sent or stored with them."""
    wrong = [
        f"{name.upper()}: the value is not UTF-8 text"
        for name, value in environment.items()
        if name.upper().startswith(PREFIX) and any("\ud800" <= letter <= "\udfff" for letter in value)
    ]
    if wrong:
        raise SettingsError("\n".join(sorted(wrong)))


def refuse_unknown(names: set[str], others: Sequence[str] = ()) -> None:
    """Raise ``SettingsError`` for variables of ours that are no settings, and with them the complaints of ``others``."""
    known = every_setting()
    unknown = {name for name in map(str.upper, names) if name.startswith(PREFIX) and name not in known}
    if unknown or others:
        raise SettingsError("\n".join([*map(_unknown, sorted(unknown)), *others]))


def nearest_setting(name: str) -> str | None:
    """The setting that ``name`` was probably meant to be."""
    import difflib  # noqa: PLC0415 - only on the way to an error

    known = every_setting()
    # Where the section is right only its own keys are meant; names share too many letters for anything else to look far.
    section = [other for other in known if other.startswith(name.partition("__")[0] + "__")]
    return next(iter(difflib.get_close_matches(name, section or known, n=1, cutoff=0.7)), None)


def _unknown(name: str) -> str:
    near = nearest_setting(name)
    return f"{name}: no such setting" + (f"; did you mean {near}?" if near else "; .env.example names every setting")


def explain(error: ValidationError) -> list[str]:
    """A line a wrong key: its environment name, what was expected, an example."""
    return [_explain(problem) for problem in error.errors(include_input=False, include_url=False)]


def _explain(problem: Any) -> str:
    parts = [str(part) for part in problem["loc"]]
    name = PREFIX + "__".join(parts[:2]).upper()
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return _unknown(name)
    if problem["type"] == "string_type":
        message += f" (in {TOML_FILE} it stands in quotes, digits too)"
    if len(parts) == 1:
        # What concerns several keys names them itself.
        return message if message.startswith(PREFIX) else f"[{parts[0]}] in {TOML_FILE} must be a section of keys"
    setting = every_setting().get(name)
    return f"{name}: {message}" + (f"; for example {name}={setting[1]}" if setting else "")
