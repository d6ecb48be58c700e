"""What ``mibench estimate`` tells: the recommended value, the panel beneath it, the test of independence, warnings."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .shared import Unit, columns

if TYPE_CHECKING:
    from mibench.advice.panel import Answer
    from mibench.advice.verdict import Advice, Typical
    from mibench.samples import Pair, Remark

    from .independence import Tested


_HEADLINE = 4  # answers, where none is recommended
_NARROWEST = 20  # letters of a column of remarks
_WIDTH = 100  # columns, where no terminal says


@dataclass(frozen=True)
class Told:
    """All that is known of a pair; informations are kept in nats and told in ``unit``.

    advice : None where estimators were named and no value is recommended.
    """

    answers: Sequence[Answer]
    pair: Pair
    advice: Advice | None
    independence: Tested
    remarks: tuple[Remark, ...]
    unit: Unit

    @property
    def scale(self) -> float:
        """Nats to the unit."""
        return self.unit.factor

    def text(self) -> str:
        """For a terminal."""
        return "\n".join([*self._head(), *self._recommended(), *self._panel(), str(self.independence)])

    def _head(self) -> Iterator[str]:
        n, dim_x, dim_y = len(self.pair.x.values), self.pair.x.values.shape[1], self.pair.y.values.shape[1]
        yield f"n = {n}, X of dimension {dim_x}, Y of dimension {dim_y}; mutual information in {self.unit}"

    def _recommended(self) -> Iterator[str]:
        if self.advice is not None:
            yield self._headline(self.advice)
            yield from _indented(self.advice.why, 2, min(100, columns(_WIDTH)))

    def _headline(self, advice: Advice) -> str:
        said = f"recommended: {advice.mi * self.scale:.4f}"
        if advice.low is None or advice.high is None:
            return f"{said}, no interval: outside what was tested"
        return f"{said}, {advice.level:.0%} interval {advice.low * self.scale:.4f} to {advice.high * self.scale:.4f}"

    def _panel(self) -> Iterator[str]:
        typical = self._typical()
        width = max([len(a.estimator) for a in self.answers], default=0) + 2
        if any(a.estimate is not None for a in self.answers):
            errs = f"  {'typical error':>13}" if self.advice else ""
            yield from _beside(f"  {'estimator':<{width}}{'estimate':>10}  {'standard error':>14}{errs}", "diagnostics")
        for answer in self.answers:
            if (found := answer.estimate) is not None:
                spread = "-" if found.stderr is None else f"{found.stderr * self.scale:.4f}"
                line = f"  {answer.estimator:<{width}}{found.mi * self.scale:>10.4f}  {spread:>14}"
                if self.advice:
                    usual = typical.get(answer.estimator)
                    line += f"  {'-' if usual is None else f'{usual.error * self.scale:.4f}':>13}"
                yield from _beside(line, ", ".join(filter(None, [self._end(answer), _in_words(found.diagnostics)])))
        for answer in self.answers:
            if answer.estimate is None:
                yield from _beside(f"  {answer.estimator:<{width - 2}}", f"declined: {answer.reason}")

    def _ends(self, answer: Answer) -> tuple[float, float] | None:
        """The 95 % interval of an answer with a standard error, in the unit; infinite on the side it leaves open."""
        found = answer.estimate
        if found is None or found.stderr is None:
            return None
        return answer.interval.ends(found.mi * self.scale, found.stderr * self.scale)

    def _end(self, answer: Answer) -> str:
        """The end of a one-sided interval, in words."""
        finite = [end for end in self._ends(answer) or () if math.isfinite(end)]
        return f"{answer.interval} {finite[0]:.4f} (95 %)" if len(finite) == 1 else ""

    def _typical(self) -> dict[str, Typical | None]:
        if self.advice is None:
            return {}
        return {a.estimator: t for a, t in zip(self.advice.answers, self.advice.typical, strict=True)}

    def facts(self) -> Any:
        """As JSON."""
        typical = self._typical()
        estimates = []
        for a in self.answers:
            if a.estimate is not None:
                mi, stderr = a.estimate.mi * self.scale, a.estimate.stderr
                fact: dict[str, Any] = {"estimator": a.estimator, "mi": mi}
                fact["stderr"] = None if stderr is None else stderr * self.scale
                fact["interval"] = self._ends(a)
                if not math.isfinite(mi):
                    fact["nonfinite"] = str(mi)  # JSON has no word for it: "mi" is null
                if (usual := typical.get(a.estimator)) is not None:
                    fact |= {"typical_error": usual.error * self.scale, "typical_bias": usual.bias * self.scale}
                estimates.append({**fact, "diagnostics": dict(a.estimate.diagnostics)})
        found = {
            "unit": str(self.unit),
            "recommended": None if self.advice is None else self._advised(self.advice),
            "estimates": estimates,
            "declined": [{"estimator": a.estimator, "reason": a.reason} for a in self.answers if a.estimate is None],
            "independence": self.independence.facts(),
            "data": self.pair.facts(),
            "warnings": [remark.facts() for remark in self.remarks],
        }
        return _strict(found)

    def page(self) -> str:
        """A self-contained HTML page with figures."""
        from mibench.report.samples import Said, page, panel, scatter

        typical, scale, unit = self._typical(), self.scale, str(self.unit)
        said, lines = [], []
        for a in self.answers:
            if a.estimate is None:
                lines.append([a.estimator, "declined", "", "", a.reason])
                continue
            mi, stderr, usual = a.estimate.mi * scale, a.estimate.stderr, typical.get(a.estimator)
            error, off = (None if e is None else e * scale for e in (stderr, usual.error if usual else None))
            said.append(one := Said(a.estimator, mi, error, off, a.interval))
            told = ("" if e is None else f"{e:.4f}" for e in (one.stderr, one.typical))
            facts = ", ".join(filter(None, [self._end(a), _in_words(a.estimate.diagnostics)]))
            lines.append([a.estimator, f"{mi:.4f}", *told, facts])
        headings = ["estimator", f"estimate, {unit}", "standard error", "typical error", "diagnostics"]
        if self.advice is None:  # and nothing is known of errors
            lines, headings = [[*line[:3], *line[4:]] for line in lines], [*headings[:3], *headings[4:]]
        best = self.advice
        ends = (None if e is None else e * scale for e in (best.low, best.high)) if best else ()
        value = (best.mi * scale, *ends) if best else None
        figures = [panel(said, value, unit)] if said else []
        x, y = self.pair.x, self.pair.y
        figures.append(scatter(x.values, y.values, (x.names, y.names)))
        read = [f"read {source}" for source in self.pair.sources]
        warned = [f"Warning: {remark.message}" for remark in self.remarks]
        answered = "; ".join(f"{one.estimator} {one.mi:.3f}" for one in said[:_HEADLINE])
        headline = f"{self._headline(best)} {unit}" if best else f"{answered} {unit}" if said else ""
        lead = [*([best.why] if best else []), f"{self.independence}", *warned, *self._head(), *read]
        title = "Mutual information of your samples"
        return page(title, lead, figures, "The answers in numbers", headings, lines, headline)

    def _advised(self, advice: Advice) -> dict[str, Any]:
        facts = advice.facts()
        scaled = {k: None if facts[k] is None else facts[k] * self.scale for k in ("mi", "low", "high")}
        if not math.isfinite(advice.mi):
            scaled["nonfinite"] = str(advice.mi)
        return {**facts, **scaled}


def _indented(text: str, by: int, columns: int) -> list[str]:
    margin = " " * by
    return textwrap.wrap(text, columns, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False)


def _beside(line: str, text: str) -> Iterator[str]:
    """A line that ends in a remark, which has a column of its own; or stands beneath, where that would be narrow."""
    room = columns(_WIDTH) - len(line) - 2
    if room < min(len(text), _NARROWEST):
        yield line
        yield from _indented(text, 6, columns(_WIDTH))
    else:
        first, *rest = _indented(text, 0, room) if text else [""]
        yield f"{line}  {first}".rstrip()
        yield from (" " * (len(line) + 2) + more for more in rest)


def _strict(value: Any) -> Any:
    """What JSON has words for: NaN and infinity become null, numpy's scalars and arrays plain."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(k): _strict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_strict(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _in_words(diagnostics: Mapping[str, Any], prefix: str = "") -> str:
    """``rank x 1, ties 0.9``: facts that hold by name, numbers short, nested ones behind their name."""
    said = []
    for key, value in _strict(diagnostics).items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            said.append(_in_words(value, f"{name} "))
        elif value is True:
            said.append(name)
        elif isinstance(value, list):
            said.append(f"{name} " + "/".join(_short(v) for v in value[:8]) + ("/..." if len(value) > 8 else ""))
        elif value is not False:
            said.append(f"{name} {_short(value)}")
    return ", ".join(filter(None, said))


def _short(value: Any) -> str:
    return "unknown" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
