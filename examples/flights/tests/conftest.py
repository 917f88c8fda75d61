from __future__ import annotations

import pandas as pd
import pytest

from mdm_flights.data import read_flights
from mdm_flights.events import add_known


@pytest.fixture(scope="session")
def flights() -> pd.DataFrame:
    return read_flights()


@pytest.fixture(scope="session")
def known(flights: pd.DataFrame) -> pd.DataFrame:
    return add_known(flights)
