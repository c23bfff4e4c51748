"""How long hypothesis searches: by its profile, which ``HYPOTHESIS_PROFILE`` names.

``dev`` is the default, ``ci`` (the default with ``CI=true``) also prints how to play a failure again, ``thorough`` tries twenty times as
much, ``mutants`` (`make mutants`) the same examples each time and stops at the first that fails. A test that says how many examples it needs says it as ``examples(300)``.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

_THOROUGH = 20


def register_profiles() -> None:
    """Make the profiles known. No bound in seconds, of one example or of making the first ones: on a busy machine it would tell of the machine."""
    unhurried = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    in_ci = os.environ.get("CI", "").lower() in {"1", "true"}
    settings.register_profile("dev", **unhurried)
    settings.register_profile("ci", **unhurried, print_blob=True)
    settings.register_profile("thorough", **unhurried, print_blob=True, max_examples=100 * _THOROUGH)
    settings.register_profile(
        "mutants", **unhurried, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate)
    )
    settings.load_profile(_asked() or ("ci" if in_ci else "dev"))


def examples(count: int) -> int:
    """``count``, or more of them where the profile is thorough."""
    return count * _THOROUGH if _asked() == "thorough" else count


def _asked() -> str | None:
    return os.environ.get("HYPOTHESIS_PROFILE")
