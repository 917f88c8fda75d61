"""The component ``redaction.chain``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from mdm_core import Redactor, component


@attrs.define
class ChainRedactor(Redactor):
    """Two redactors one after the other, such as one of your own and ``redaction.standard``."""

    first: Redactor = component(help="the redactor that sees the data as it is")
    then: Redactor = component(help="the redactor that sees what the first lets pass")

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hide what either hides.

        Args:
            data: A mapping, not changed.

        Returns:
            What the second makes of what the first made of it.
        """
        return self.then.redact(self.first.redact(data))
