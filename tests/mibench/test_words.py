"""Nouns, lists and near misses; nested mappings."""

from mibench.group import leaves
from mibench.words import counted, listed, nearest, plural


def test_nouns_agree_with_their_number() -> None:
    assert [counted(n, "cell") for n in (0, 1, 2000)] == ["0 cells", "1 cell", "2,000 cells"]
    assert [plural("family", n) for n in (1, 2)] == ["family", "families"]


def test_a_list_names_the_first_and_counts_the_rest() -> None:
    assert (listed("ab"), listed("abc", 1), listed([])) == ("a, b", "a and 2 more", "")


def test_near_names_are_offered_and_far_ones_are_not() -> None:
    assert nearest("ksgg", ["ksg", "cca"]) == "did you mean 'ksg'?"
    assert nearest("zzz", ["ksg", "cca"]) == ""


def test_leaves_lead_through_mappings_and_plugins() -> None:
    plugin = {"name": "ksg", "version": "1", "params": {"k": 3}}
    record = {"a": 1, "b": {"c": None}, "d": plugin}
    assert list(leaves(record)) == [(("a",), 1), (("b", "c"), None), (("d",), "ksg"), (("d", "k"), 3)]
