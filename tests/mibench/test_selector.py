"""Selectors: what is written is read back."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mibench.errors import UsageError
from mibench.registry import tasks
from mibench.selector import format_selector, parse_selector, parse_value

WORDS = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True).filter(
    lambda w: w not in ("true", "false", "none", "nan", "inf", "infinity")
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), WORDS),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(tuple),
    max_leaves=5,
)


@given(WORDS, st.dictionaries(WORDS, VALUES, max_size=4))
def test_reading_inverts_writing(name: str, params: dict[str, Any]) -> None:
    assert parse_selector(format_selector(name, params)) == (name, params)


def test_nested_selectors_stay_text() -> None:
    name, params = parse_selector("asinh[base=student-t[dof=1,dim_x=2],scale=.5]")
    assert (name, params) == ("asinh", {"base": "student-t[dof=1,dim_x=2]", "scale": 0.5})


@pytest.mark.parametrize("depth", [25, 60, 1500])
def test_nested_selectors_take_no_time(depth: int) -> None:
    text = "asinh[base=" * depth + "gauss" + "]" * depth
    started = time.monotonic()
    if depth == 25:
        assert tasks.select(text)[0].label.count("asinh") == depth
    else:
        with pytest.raises(UsageError, match="too many brackets"):
            tasks.select(text)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("value", ["1", "1.5", "-3", "1e-3", "true", "none", "(1 2)", "word"])
def test_values_have_their_types(value: str) -> None:
    expected = {"1": 1, "1.5": 1.5, "-3": -3, "1e-3": 1e-3, "true": True, "none": None, "(1 2)": (1, 2)}
    assert parse_value(value) == expected.get(value, value)


@pytest.mark.parametrize(
    "text",
    ["", "[k=5]", "ksg[k=5", "ksg[k]", "ksg[k=]", "ksg[k=1,k=2]", "ksg[k=(1]", "a]b", "ksg[k=5]x", "\udcff", "a\nb"],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="selector|brackets"):
        parse_selector(text)
