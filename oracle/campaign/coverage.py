"""Every numbered result of the paper: the functions that compute it and the checks that guard them.

tests/oracle/test_coverage.py asserts that every result has functions and checks, and that all names
lead somewhere.
"""

from __future__ import annotations

from oracle.campaign.distribution_results import DISTRIBUTION_RESULTS
from oracle.campaign.learning_results import LEARNING_RESULTS
from oracle.campaign.result import Result

RESULTS: tuple[Result, ...] = DISTRIBUTION_RESULTS + LEARNING_RESULTS
