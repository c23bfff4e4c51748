"""The bridge between MoEngage Streams and Adobe Experience Platform."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("moengage-aep-bridge")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+source"

__all__ = ["__version__"]
