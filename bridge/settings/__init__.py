"""Every setting of the bridge, in one model; the only reader of the environment.

Sources, strongest first: the environment (``BRIDGE_KAFKA__TOPIC``), a ``.env`` file, ``bridge.toml`` (``[kafka] topic``),
the defaults here. Routes (``[routes.NAME]``) set what holds for them alone. An unknown or wrong key stops the start with its name, what was expected and an example.
"""

from bridge.settings.adobe import AdobeSettings
from bridge.settings.aep import AepSettings, OauthSettings
from bridge.settings.deployment import load_deployment, load_settings
from bridge.settings.kafka import KafkaSettings
from bridge.settings.loading import ENV_FILE, TOML_FILE, Settings, every_setting
from bridge.settings.mapping import MappingSettings
from bridge.settings.moengage import MoEngageSettings
from bridge.settings.mparticle import MParticleSettings
from bridge.settings.receiver import ReceiverSettings
from bridge.settings.reconcile import ReconcileSettings
from bridge.settings.routes import Deployment, Route
from bridge.settings.running import TelemetrySettings, WorkerSettings
from bridge.settings.section import PREFIX, is_example, variable
from bridge.settings.setup import SetupSettings
from bridge.settings.warehouse import WarehouseSettings

__all__ = [
    "ENV_FILE",
    "PREFIX",
    "TOML_FILE",
    "AdobeSettings",
    "AepSettings",
    "Deployment",
    "KafkaSettings",
    "MParticleSettings",
    "MappingSettings",
    "MoEngageSettings",
    "OauthSettings",
    "ReceiverSettings",
    "ReconcileSettings",
    "Route",
    "Settings",
    "SetupSettings",
    "TelemetrySettings",
    "WarehouseSettings",
    "WorkerSettings",
    "every_setting",
    "is_example",
    "load_deployment",
    "load_settings",
    "variable",
]
