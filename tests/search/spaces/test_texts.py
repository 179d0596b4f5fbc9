"""The prototxts of a space's networks: the same as those of each architecture alone."""

import random

import pytest

from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate_text
from search.spaces import BackboneSpace, parse_space
from search.spaces import texts as module
from search.spaces.texts import Texts
from tests.search.spaces.test_decoders import SPACES as WITH_DECODERS
from tests.search.spaces.test_kinds import SPACES

LARGE = [
    parse_space(name)
    for name in ("df", "df-bottleneck", "df-seg", "pl1a", "pl1a-seg", "ponas", "tiered", "tiered-small")
]


@pytest.mark.parametrize("space", [*SPACES, *WITH_DECODERS, *LARGE], ids=str)
@pytest.mark.parametrize(("form", "merged"), [("deploy", False), ("train_val", True)])
def test_texts_are_those_of_the_architectures(space, form, merged):
    texts, count, rng = Texts(space, form, merged), space.count(), random.Random(0)
    first = rng.randrange(count)
    # Neighbours in order, then far ones.
    places = [*range(first, min(count, first + 12)), *(rng.randrange(count) for _ in range(12))]
    for place in places:
        network, architecture = texts.of(space.vector_at(place)), space.at(place)
        assert network.code == str(architecture)
        expected = generate_text(architecture, form, space.input_shape, merged)
        assert network.text.decode() == expected


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_KEPT", 5)
    space = SPACES[0]
    texts = Texts(space)
    for vectors in space.vectors():
        for vector in vectors:
            assert texts.of(vector).text.decode() == generate_text(space.decode(vector), "deploy", space.input_shape)
    assert len(texts._blocks) < 30


def test_what_has_no_text():
    with pytest.raises(ArchitectureError, match="form is 'release', expected deploy or train_val"):
        Texts(SPACES[0], "release")
    long = BackboneSpace(((20, 20),) * 3, tuple(range(100, 200)))
    with pytest.raises(ArchitectureError, match=r"the code has .* characters, expected at most 200"):
        Texts(long).of(long.vector_at(long.count() // 2))
