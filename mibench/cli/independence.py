"""The test of independence that goes with every estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mibench.errors import MibenchError

if TYPE_CHECKING:
    from mibench.dependence import Independence
    from mibench.samples import Pair


@dataclass(frozen=True)
class Tested:
    """The outcome, or why there is none."""

    outcome: Independence | None
    reason: str = ""

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return self.outcome.facts() if self.outcome else {"p": None, "reason": self.reason}

    def __str__(self) -> str:
        found = self.outcome
        if found is None:
            return f"independence: not tested: {self.reason}"
        how = f"{found.permutations} permutations"
        if found.time_series:
            how = f"{found.permutations} shifts by at least {found.block} of {found.rows} rows"
            how += f", which are worth {found.effective_n:.0f} independent ones"
        line = f"independence: p = {found.p:.3g} ({how})"
        return f"{line}; {found.warning}" if found.warning else line


def tested(pair: Pair, seed: int, time_series: bool) -> Tested:
    """Test X and Y of a pair; what cannot be tested hides no estimate."""
    from mibench.dependence import independence_test

    try:
        return Tested(independence_test(pair.x.values, pair.y.values, seed, time_series=time_series))
    except MibenchError as error:
        return Tested(None, str(error))
