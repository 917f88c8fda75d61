"""An external Decision Modulation Core (DMC) as a modulator of mdm."""

from mdm_dmc.modulator import DmcModulator

__all__ = ["DmcModulator"]
