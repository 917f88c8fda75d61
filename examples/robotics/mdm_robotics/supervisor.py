"""The model that moves an arm while the wearer moves as planned, and stops it when somebody clearly does not."""

from __future__ import annotations

import attrs
from mdm_core import Action, Context, Features, Proposal, ProposalModel, option


@attrs.define
class Supervisor(ProposalModel):
    """Proposes ACT, to drive the arm, STOP, or HOLD, from what ``robotics.motion`` says.

    STOP when the evidence that the movement has changed reaches ``stop_at``. Else ACT from the probability
    ``threshold`` on, if the wearer moves; ``drive`` is the speed to go with. Else HOLD. ``probability`` is that of the
    plan.
    """

    threshold: float = option(0.5, ge=0, le=1, help="probability of the planned exercise from which the arm is driven")
    stop_at: float = option(2.0, gt=0, help="evidence of another movement at which the arm is stopped")
    still: float = option(0.2, ge=0, help="angular speed below which the wearer is at rest, in rad/s")

    def propose(self, features: Features, context: Context) -> Proposal:
        """Judge a sample."""
        planned, doubt, speed = (features.get(name) for name in ("exercise.planned", "motion.doubt", "motion.speed"))
        if not isinstance(planned, float) or not isinstance(speed, float):
            return Proposal(Action.HOLD, 0.0, ["warming_up"])
        planned = min(max(planned, 0.0), 1.0)
        params = {"probability": planned, "doubt": doubt, "drive": speed}
        if isinstance(doubt, float) and doubt >= self.stop_at:
            return Proposal(Action.STOP, 1.0, ["another_movement"], params)
        if speed < self.still:
            return Proposal(Action.HOLD, 1 - planned, ["at_rest"], params)
        if planned >= self.threshold:
            return Proposal(Action.ACT, planned, ["as_planned"], params)
        return Proposal(Action.HOLD, 1 - planned, ["unsure"], params)
