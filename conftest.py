"""What holds for the tests of all distributions."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A machine that is busy with something else makes examples slow, and no test wrong.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
