"""A canary: a share of the keys, always the same ones, that another pipeline decides about."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import attrs

from mdm_core.arms import Arm
from mdm_core.building import Builder
from mdm_core.challengers import STAGES, ArmParts
from mdm_core.config import CanaryOptions, PipelineOptions
from mdm_core.contracts import FeatureExtractor, Modulator, ProposalModel
from mdm_core.state import Key

MAIN, CANARY = "main", "canary"


class Canary:
    """The other arm of a pipeline, and the rule that says which keys are its own.

    A key belongs to it if the first 64 bits of a hash of salt and key, as a fraction, are less than the share. So a key
    stays with its arm for good, in every process and shard, and a greater share takes keys in and gives none back.

    Args:
        features: One feature extractor or several.
        model: The proposal model.
        modulators: Looked at in order.
        share: Share of the keys that it decides about, from 0 to 1.
        salt: Another one chooses other keys.

    Raises:
        ConfigError: The share is none.
    """

    def __init__(
        self,
        features: FeatureExtractor | Sequence[FeatureExtractor],
        model: ProposalModel,
        modulators: Sequence[Modulator] = (),
        *,
        share: float,
        salt: str = "",
    ) -> None:
        CanaryOptions(share=share, salt=salt)  # which checks them
        self.arm = Arm(features, model, modulators, CANARY)
        self.share = share
        self._salt = f"{salt}\0".encode("utf-8", "surrogatepass")
        self._limit = round(share * (1 << 64))

    def takes(self, key: Key) -> bool:
        """Whether it decides about a key.

        Args:
            key: The key; a number and the same number as text are two keys.
        """
        plain = f"{'s' if isinstance(key, str) else 'i'}{key}".encode("utf-8", "surrogatepass")
        return int.from_bytes(blake2b(self._salt + plain, digest_size=8).digest()) < self._limit


@attrs.frozen
class CanaryParts:
    """The table ``[canary]``, built and not yet opened.

    Attributes:
        options: Its options.
        arm: What the canary decides by.
    """

    options: CanaryOptions
    arm: ArmParts

    @classmethod
    def build(cls, builder: Builder, options: PipelineOptions | None) -> CanaryParts | None:
        """Build them; problems are left in the builder. None if there is no canary.

        Args:
            builder: The builder of the configuration.
            options: The table ``[pipeline]``; None if there is something wrong with it.
        """
        table = builder.config.table("canary")
        if table is None:
            return None
        if options is not None and options.key is None:
            builder.problem(table.place, "a canary decides about a share of the keys; set key in [pipeline]")
        arm = ArmParts.build(builder, table, options, needed=("features", "model"))
        return cls(builder.options_of(CanaryOptions, table, known=("pipeline", *STAGES)), arm)

    def canary(self) -> Canary:
        """Make the canary."""
        arm, options = self.arm, self.options
        assert arm.model is not None
        features: list[Any] = [built.component for built in arm.features]
        model: Any = arm.model.component
        modulators: list[Any] = [built.component for built in arm.modulators]
        return Canary(features, model, modulators, share=options.share, salt=options.salt)

    def resolved(self) -> dict[str, Any]:
        """The table with all defaults filled in and the stages in place of the name of a file."""
        return {**attrs.asdict(self.options), **self.arm.resolved()}
