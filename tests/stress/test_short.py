"""The short form of each stress scenario: nothing lost, nothing twice, memory flat, no thread or descriptor left."""

from __future__ import annotations

import pytest
from stress.run import SCENARIOS, outcome_of

pytestmark = pytest.mark.stress


@pytest.mark.parametrize("name", SCENARIOS)
def test_short_form(name):
    outcome = outcome_of(name, is_long=False)
    assert outcome.sent
    assert outcome.lost == outcome.duplicated == 0
    assert outcome.faults == []
