"""Made-up targets in files: what BVLC Caffe takes, but for a few rules and types."""

from converters.targets.reading import read_target


def own_target(folder, rules=(), name="board", accelerated=(), refused=(), **fields):
    """A target: `rules` are (types, needs); of layer types some more are taken, and some are not."""
    path = folder / f"{name}.yaml"
    lines = ["extends: bvlc", *(f"{key}: {value}" for key, value in fields.items()), "layers:"]
    lines += [f"  - {{types: [{kind}], runs: accelerated, source: schema}}" for kind in ("Interp", *accelerated)]
    lines += [f"  - {{types: [{kind}], runs: refused, source: schema}}" for kind in refused]
    lines += ["rules:"] if rules else []
    for types, needs in rules:
        lines += [f"  - types: [{types}]", f"    needs: {needs}", "    otherwise: refused", "    source: schema"]
        lines += [f"    field: {needs.split()[0]}", f'    allowed: "{needs}"']
    path.write_text("\n".join(lines) + "\n")
    return path


def read_own(folder, rules=(), **more):
    return read_target(own_target(folder, rules, **more))
