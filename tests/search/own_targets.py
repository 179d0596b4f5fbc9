"""Made-up targets in files: what BVLC Caffe takes, but for a few rules and types.

They take no even kernels of convolutions and no Slice, so that layers are not rewritten in these: our networks have
none, and rules on kernels, strides and groups mean what they say.
"""

from converters.targets.reading import read_target


def own_target(folder, rules=(), name="board", accelerated=(), refused=(), **fields):
    """A target: `rules` are (types, needs); of layer types some more are taken, and some are not."""
    rules = [("Convolution", "kernel_h % 2 == 1"), *rules]
    path = folder / f"{name}.yaml"
    source = "{text: the manual, kind: document, version: '1', date: 2026-11-22}"
    lines = ["extends: bvlc", *(f"{key}: {value}" for key, value in fields.items()), f"sources: {{own: {source}}}"]
    lines += [
        "layers:",
        *(f"  - {{types: [{one}], runs: accelerated, source: own}}" for one in ("Interp", *accelerated)),
    ]
    lines += [f"  - {{types: [{one}], runs: refused, source: own}}" for one in ("Slice", *refused)]
    lines += ["rules:"]
    for types, needs in rules:
        lines += [f"  - types: [{types}]", f"    needs: {needs}", "    otherwise: refused", "    source: own"]
        lines += [f"    field: {needs.split()[0]}", f'    allowed: "{needs}"']
    path.write_text("\n".join(lines) + "\n")
    return path


def read_own(folder, rules=(), **more):
    return read_target(own_target(folder, rules, **more))
