"""Every deliberate defect that the oracle must catch.

Data only. oracle.mutants.slipped has the defects that the default tests must catch.
"""

from __future__ import annotations

from oracle.mutants.draws import DRAWS
from oracle.mutants.equations import EQUATIONS
from oracle.mutants.estimates import ESTIMATES
from oracle.mutants.expectations import EXPECTATIONS
from oracle.mutants.integrals import INTEGRALS
from oracle.mutants.layers import LAYERS
from oracle.mutants.learning import LEARNING
from oracle.mutants.local import LOCAL
from oracle.mutants.missing import MISSING
from oracle.mutants.mutant import Mutant
from oracle.mutants.near_degenerate import NEAR_DEGENERATE
from oracle.mutants.partitions import PARTITIONS

#: Every defect, by subject; the report lists them in this order.
MUTANTS: tuple[Mutant, ...] = (
    *EQUATIONS,
    *INTEGRALS,
    *PARTITIONS,
    *LOCAL,
    *LAYERS,
    *EXPECTATIONS,
    *LEARNING,
    *DRAWS,
    *ESTIMATES,
    *MISSING,
    *NEAR_DEGENERATE,
)
