"""Networks in files: what is taken of them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_zoo.subject import of_files, of_zoo
from converters import save_weights, to_torch, weights_of
from prototxt_gen import generate
from prototxt_gen.errors import NetworkError, UnsupportedError, WeightsError

MEAN = (104.0, 117.0, 123.0)
CONV = """
layer {{ name: "c" type: "Convolution" bottom: "x" top: "y"
         convolution_param {{ num_output: 4 kernel_size: {} }} }}
"""


@pytest.fixture
def files(tmp_path):
    """Writes weights for a network; gives both."""

    def make(net, **options):
        path = tmp_path / "net.caffemodel"
        save_weights(weights_of(to_torch(net, **options)), path, net)
        return net, path

    return make


def test_a_classifier(files):
    net, weights = files(generate("s4-8_b8_c5", input_shape=(1, 3, 32, 48)))
    subject = of_files(net, weights, MEAN, 0.5, 40)
    assert (subject.classes, subject.per_pixel, subject.data, subject.output) == (5, False, "data", "fc")
    chosen = subject.preprocessing
    assert (chosen.mean, chosen.scale, chosen.resize_shorter, chosen.crop) == (MEAN, 0.5, 40, (32, 48))
    with pytest.raises(NetworkError, match="mean: found none, expected what is subtracted from pixels"):
        of_files(net, weights)
    (scores,) = subject.session("torch").run({"data": np.zeros((2, 3, 32, 48), np.float32)}).values()
    assert scores.shape == (2, 5)


def test_a_decoder_gives_scores_of_pixels(files):
    net, weights = files(generate("s4-8_b8_b8_b8_p8-16_d8-8-8_u8_c19", input_shape=(1, 3, 64, 128)))
    subject = of_files(net, weights, MEAN)
    assert (subject.classes, subject.per_pixel, subject.preprocessing.crop) == (19, True, (64, 128))


def test_the_test_phase_of_a_network_to_train(files):
    net, weights = files(generate("s4-8_b8_c5", form="train_val", input_shape=(2, 3, 32, 32)))
    with pytest.raises(NetworkError, match=r"outputs: found .*, expected one: the top of the scores"):
        of_files(net, weights, MEAN)
    subject = of_files(net, weights, output="fc")
    assert subject.classes == 5
    (told,) = {(tuple(layer.transform_param.mean_value), layer.transform_param.scale) for layer in net.layer[:2]}
    assert (subject.preprocessing.mean, subject.preprocessing.scale) == told != ((), 1)
    assert of_files(net, weights, (1.0,), 2.0, output="fc").preprocessing.mean == (1, 1, 1)
    net.layer[1].transform_param.mean_file = "mean.binaryproto"
    net.layer[1].transform_param.ClearField("mean_value")
    with pytest.raises(NetworkError, match=r"mean: found none.*'data' names mean\.binaryproto"):
        of_files(net, weights, output="fc")
    (scores,) = subject.session("torch").run({"data": np.zeros((2, 3, 32, 32), np.float32)}).values()
    assert scores.shape == (2, 5)


def test_a_network_that_states_no_size(files, net_of):
    net = net_of(CONV.format(4), x=(1, 3, 4, 4))
    _, weights = files(net)
    net.layer[0].ClearField("input_param")
    subject = of_files(net, weights, MEAN, input_shapes={"x": (1, 3, 4, 4)})
    assert (subject.classes, subject.per_pixel, subject.data) == (4, False, "x")
    assert subject.session("torch").inputs == {"x": (1, 3, 4, 4)}


def test_what_is_refused(files, net_of, tmp_path):
    net, weights = files(net_of(CONV.format(1), x=(1, 1, 4, 4)))
    with pytest.raises(UnsupportedError, match=r"input 'x': found \(1, 1, 4, 4\), expected \(images, 3,"):
        of_files(net, weights, MEAN)
    text = 'layer { name: "e" type: "Eltwise" bottom: "x" bottom: "z" top: "y" }'
    two = net_of(text, x=(1, 3, 4, 4), z=(1, 3, 4, 4))
    save_weights({}, tmp_path / "none.caffemodel", two)
    with pytest.raises(NetworkError, match="inputs: found x, z, expected one: the image"):
        of_files(two, tmp_path / "none.caffemodel", MEAN)
    with pytest.raises(WeightsError, match="weights do not fit"):
        of_files(net_of(text.replace("z", "x"), x=(1, 3, 4, 4)), weights, MEAN)


def test_a_network_of_the_zoo_at_another_size(small):
    subject = of_zoo("small", small, input_size=(128, 128))
    assert (subject.classes, subject.per_pixel, subject.preprocessing.crop) == (19, True, (128, 128))
    assert subject.session("torch").inputs == {"data": (1, 3, 128, 128)}
