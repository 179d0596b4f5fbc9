"""Runs networks in pycaffe: python run_in_caffe.py FOLDER, with a Python that has Caffe and nothing else.

For every NAME.prototxt in the folder, with NAME.caffemodel and the arrays of NAME.inputs.npz, it writes every blob of
the TEST phase to NAME.outputs.npz, and the network as Caffe saves it to NAME.saved.caffemodel and .h5.
"""

import sys
from pathlib import Path

import caffe  # type: ignore[import-not-found]
import numpy as np

caffe.set_mode_cpu()
for path in sorted(Path(sys.argv[1]).glob("*.prototxt")):
    net = caffe.Net(str(path), str(path.with_suffix(".caffemodel")), caffe.TEST)
    # Before it runs: a BatchNorm without stored statistics adds to them.
    net.save(str(path.with_suffix(".saved.caffemodel")))
    if not any("/" in name for name in net._layer_names):  # Caffe aborts at such names
        net.save_hdf5(str(path.with_suffix(".saved.caffemodel.h5")))
    for name, array in np.load(str(path.with_suffix(".inputs.npz"))).items():
        net.blobs[name].data[...] = array
    net.forward()
    np.savez(str(path.with_suffix(".outputs.npz")), **{name: blob.data for name, blob in net.blobs.items()})
    print(path.stem)
