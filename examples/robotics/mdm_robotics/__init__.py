"""Arms that are moved while the wearer moves as planned: sensor data, exercises, a latch, and a simulated actuator."""

# Not the source: a plugin that is only listed imports nothing but itself and mdm.
from mdm_robotics.actuator import Actuator
from mdm_robotics.figures import Figures
from mdm_robotics.latch import Latch
from mdm_robotics.motion import Motion
from mdm_robotics.supervisor import Supervisor

__all__ = ["Actuator", "Figures", "Latch", "Motion", "Supervisor"]
