"""The classes of photos, as a person types it."""

from __future__ import annotations

from caffe_zoo import card
from caffe_zoo.classification import classify
from converters import save_weights, to_torch, weights_of
from prototxt_gen import generate


def test_the_command_prints_names(run, df1, photo, tmp_path):
    (tmp_path / "names.txt").write_text("".join(f"thing {index}\n" for index in range(1000)))
    lines = run("classify", "df1", photo, "--weights", df1, "--names", tmp_path / "names.txt").splitlines()
    expected = classify("df1", photo, df1)
    assert lines == [f"{share:7.2%}  thing {index}" for index, share in expected]
    printed = run("classify", "df1", photo, photo, "--weights", df1)
    assert printed.count(f"{photo}:\n") == 2 and f"class {expected[0][0]}\n" in printed


def test_weights_of_other_classes(run, fault, photo, tmp_path):
    net = generate(str(card("df1").architecture).replace("c1000", "c7"))
    save_weights(weights_of(to_torch(net)), tmp_path / "seven.caffemodel", net)
    printed = run("classify", "df1", photo, "--weights", tmp_path / "seven.caffemodel", "--classes", "7")
    assert len(printed.splitlines()) == 5
    message = fault("classify", "df1", photo, "--weights", tmp_path / "seven.caffemodel")
    assert "'fc'" in message and "(7, 512)" in message and "(1000, 512)" in message


def test_faults_are_one_line(fault, df1, photo, tmp_path, monkeypatch):
    monkeypatch.setenv("DONGFENG_CACHE", str(tmp_path / "cache"))
    assert "`dongfeng fetch df1` downloads it" in fault("classify", "df1", photo)
    assert "no network 'df9' in the zoo" in fault("classify", "df9", photo, "--weights", df1)
    (tmp_path / "cut.png").write_bytes(photo.read_bytes()[:5000])
    assert "cut.png: cannot be read as an image" in fault("classify", "df1", tmp_path / "cut.png", "--weights", df1)
    (tmp_path / "names.txt").write_text("one\ntwo\n")
    assert "names.txt: found 2 lines, expected 1000" in fault(
        "classify", "df1", photo, "--weights", df1, "--names", tmp_path / "names.txt"
    )
    assert "df1.caffemodel: weights do not fit" in fault("classify", "df2", photo, "--weights", df1)
