"""A space as a graph: costs, extremes and steps are those of its networks one by one."""

import numpy as np
import pytest

from prototxt_gen.errors import ArchitectureError, UnsupportedError
from search.latency.graphs import Graph, Layer
from search.latency.predicting import space_graph
from search.spaces import BackboneSpace
from search.spaces.ways import NONE
from tests.search.latency.graphs import all_vectors, drawn


@pytest.mark.parametrize("seed", range(8))
def test_costs_and_extremes_are_those_of_the_networks(seed):
    space, graph, expected = drawn(seed)
    assert sorted(graph.costs(all_vectors(space)).tolist()) == expected.tolist()
    for (cost, vector), extreme in ((graph.cheapest(), expected[0]), (graph.dearest(), expected[-1])):
        assert cost == extreme == graph.costs(vector[None])[0]
        assert vector.dtype == np.uint8 and space.decode(vector) in space


@pytest.mark.parametrize("seed", range(8))
def test_the_edges_are_the_steps_of_the_networks(seed):
    space, graph, _ = drawn(seed)
    ways = np.ones(1, dtype=np.int64)
    for edges, layer in zip(reversed(graph.edges), reversed(graph.layers), strict=True):
        before = np.zeros(len(layer.after), dtype=np.int64)
        np.add.at(before, edges.sources, ways[edges.targets])
        ways = np.pad(before, (0, 99))
        assert (ways[np.unique(edges.sources)] > 0).all()
    assert ways[0] == space.count()


def test_vectors_outside_the_space_are_refused():
    space = BackboneSpace(((1, 2), (2, 2)), (8, 16), stem=(4,), classes=2, input_shape=(1, 1, 8, 8))
    graph = space_graph(space, lambda part: 1)
    assert graph.costs(np.array([[0, 1, 1, 2], [1, 2, 2, 2]], dtype=np.uint8)).tolist() == [5, 6]
    for outside in ([1, 0, 1, 1], [0, 1, 0, 1], [2, 1, 1, 1], [0, 0, 1, 1]):
        vectors = np.array([[0, 1, 1, 2], outside], dtype=np.uint8)
        with pytest.raises(ArchitectureError, match=r"row 1: \[.*\] is not in the space"):
            graph.costs(vectors)
    with pytest.raises(ArchitectureError, match="found 3, expected less than 3"):
        graph.costs(np.array([[0, 1, 1, 3]], dtype=np.uint8))


def test_costs_that_could_overflow_are_refused():
    layer = Layer(np.zeros((1, 1), dtype=np.int64), np.full((1, 1), 2**61))
    assert Graph((layer,), 0).cheapest()[0] == 2**61
    with pytest.raises(UnsupportedError, match=r"2\^62"):
        Graph((layer, layer), 0)
    space = BackboneSpace(((1, 1),), (8,), stem=(4,), classes=2, input_shape=(1, 1, 8, 8))
    with pytest.raises(UnsupportedError, match="its cost is 1e\\+30"):
        space_graph(space, lambda part: 10**30)


def test_a_graph_without_a_way_is_refused():
    with pytest.raises(ArchitectureError, match="no way"):
        Graph((Layer(np.array([[NONE]]), np.array([[1]])),), 0).cheapest()
