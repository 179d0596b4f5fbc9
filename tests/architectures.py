"""Architectures that several tests go through: blocks drawn at random, small decoders of every family."""

from __future__ import annotations

from hypothesis import strategies as st

from prototxt_gen.architectures import Block
from prototxt_gen.generator.blocks import BUILDERS
from prototxt_gen.generator.elements import Writing

WRITINGS = st.builds(Writing, st.booleans(), st.booleans(), st.sampled_from([1e-3, 1e-4]), st.booleans())
ODD = st.sampled_from([1, 3, 5])
BLOCKS = st.tuples(
    st.builds(
        Block,
        st.just(0),
        st.just(0),
        st.sampled_from(sorted(BUILDERS)),
        *[st.integers(2, 2000)] * 3,
        st.sampled_from([1, 2]),
        st.booleans(),
        ODD,
        st.integers(1, 2000),
        st.booleans(),
    ),
    WRITINGS,
)

# With decoders on all of their maps or on some, and the score map enlarged in every way.
SMALL_DECODERS = [
    "s4-8_b8_b8_b16_p4-8_d8-4x2_u8_c5",
    "s4-8_b8_n8_p4-8.1-3_d8-4_u8_c5",
    "s4_b8_p4-8_d8_u4_c2",
    "s4-8_b8_b8_b16_p4-8_d8_u32_c5",
    "s4-8_b8_b8_b1.16_b16_q4-8_e8-4x2_c5",
    "t4-8_u8x2_u16x2_u16_q4-8_e8-4x2_u2_c19",
    "r8_v1.8_v16_v16_v32_p8-16_d8x4_u4_c3",
    "r8_w1.8_w16_w16_q8-16_d8x3_c3",
    "m4_i1.4e1_i8e2q_i8k5e2_i1.8e2_i16h9_p4-4_d8-4_u8_c4",
    "g4_k1.4_k8_i8h12_i8h12_p4-4_d8x4_u2_c4",
    "g4_f1.4h8_f8k5h12_f8e2_p4-4_d8x2_u2_c4",
]
