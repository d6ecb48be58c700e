"""The regular vine of one variable's columns, and the columns without dependence that it makes of them.

A tree's nodes are sets of columns; an edge joins two that differ by one column each, and is a node of the next tree
(Bedford & Cooke 2002). Every tree is one of greatest total strength among those allowed (Dissmann et al. 2013). The
last node holds all columns and the score of F(last | all others) for two choices of the last; its part without that
column holds those of all others, and so down to a single column. These scores together are Rosenblatt's (1952) map: a
bijection, after which columns are independent as far as the vine is right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mibench.estimator import Array
from mibench.ranks import normal_scores

from .choice import chosen, strength


@dataclass(frozen=True)
class Node:
    """Columns, the score (n,) of each one or two of them given all others, and the nodes that it joins."""

    columns: frozenset[int]
    scores: dict[int, Array]
    joins: tuple[Node, ...] = ()

    def without(self, column: int) -> Node:
        """The joined node that lacks a column."""
        return next(node for node in self.joins if column not in node.columns)


def vine(values: Array) -> Node:
    """The last node of the vine of the columns of ``values`` (n, dim), scores with a standard normal distribution.

    Above a tree that gains less than ln(n) / 2 nats an edge, all pairs are independent ones (Brechmann, Czado & Aas
    2012 truncate likewise): the strongest of many seem to gain something by chance.
    """
    nodes = [Node(frozenset([i]), {i: column}) for i, column in enumerate(np.ascontiguousarray(values.T))]
    truncated = False
    while len(nodes) > 1:
        found = [_joined(nodes[i], nodes[j], truncated) for i, j in _tree(nodes, truncated)]
        truncated |= sum(gain for _, gain in found) < 0.5 * math.log(len(values)) * len(found)
        nodes = [node for node, _ in found]
    return nodes[0]


def independent(values: Array, relevance: Array) -> Array:
    """Columns (n, dim) by the vine, each given those before it, as normal scores: a map of ``values``, one to one.

    Of the two columns that may come last, the one of less relevance (dim,) does.
    """
    node, scores = vine(values), []
    while True:
        last = min(node.scores, key=lambda column: float(relevance[column]))
        scores.append(node.scores[last])
        if not node.joins:
            return normal_scores(np.stack(scores[::-1], axis=1))
        node = node.without(last)


def _ends(left: Node, right: Node) -> tuple[int, int]:
    """The column of each that the other lacks."""
    (a,), (b,) = left.columns - right.columns, right.columns - left.columns
    return a, b


def _joined(left: Node, right: Node, truncated: bool) -> tuple[Node, float]:
    """The node of an edge, and what its pair gains."""
    a, b = _ends(left, right)
    of_a, of_b, gain = left.scores[a], right.scores[b], 0.0
    if not truncated:
        choice = chosen(of_a, of_b)
        gain = choice.gain
        of_a, of_b = choice.pair.conditional(of_a, of_b)
    return Node(left.columns | right.columns, {a: of_a, b: of_b}, (left, right)), gain


def _tree(nodes: list[Node], truncated: bool) -> list[tuple[int, int]]:
    """Edges of the tree of greatest total strength (Prim 1957), or of any; nodes above the first must join a common."""
    count = len(nodes)
    strengths: npt.NDArray[np.float64] = np.full((count, count), -np.inf)
    for i in range(count):
        for j in range(i):
            if not nodes[i].joins or any(one is other for one in nodes[i].joins for other in nodes[j].joins):
                a, b = _ends(nodes[i], nodes[j])
                strengths[i, j] = 0.0 if truncated else strength(nodes[i].scores[a], nodes[j].scores[b])
                strengths[j, i] = strengths[i, j]
    inside, edges = [0], []
    while len(inside) < count:
        outside = [i for i in range(count) if i not in inside]
        block = strengths[np.ix_(inside, outside)]
        i, j = (int(each) for each in np.unravel_index(int(block.argmax()), block.shape))
        edges.append((inside[i], outside[j]))
        inside.append(outside[j])
    return edges
