"""Write the prototxts of an architecture of your own."""

from prototxt_gen import generate, parse_architecture, solver, summarize, write_prototxt

architecture = parse_architecture("s32-64_b64x2_b128x4_b256x2-512_c1000")  # your own, between DF-Lite and DF1
write_prototxt(generate(architecture), "deploy.prototxt")
write_prototxt(generate(architecture, form="train_val"), "train_val.prototxt")
write_prototxt(solver("train_val.prototxt"), "solver.prototxt")

costs = summarize(generate(architecture))
print(f"{costs.parameters / 1e6:.2f} M parameters, {costs.multiply_adds / 1e6:.1f} M multiply-adds")
