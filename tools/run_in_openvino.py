"""Runs models in OpenVINO: python run_in_openvino.py FOLDER, with a Python that has OpenVINO and nothing else.

For every NAME.onnx in the folder, with the arrays of NAME.inputs.npz, it writes the outputs to NAME.outputs.npz, or
what OpenVINO says against it to NAME.fault.txt. Prints OpenVINO's version.
"""

import sys
from pathlib import Path

import numpy as np
import openvino

core = openvino.Core()
print(openvino.__version__)
for path in sorted(Path(sys.argv[1]).glob("*.onnx")):
    stem = str(path.with_suffix(""))
    try:
        # OpenVINO may otherwise compute in bfloat16.
        model = core.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        arrays = dict(np.load(f"{stem}.inputs.npz"))
        # Inputs that nothing takes are dropped, and an input that is an output, too, may have that one's name.
        names = [next((name for name in port.names if name in arrays), None) for port in model.inputs]
        found = model([arrays[name or key] for name, key in zip(names, arrays, strict=False)])
        np.savez(f"{stem}.outputs.npz", **{port.any_name: found[port] for port in model.outputs})
    except Exception as fault:
        Path(f"{stem}.fault.txt").write_text(str(fault), "utf-8")
