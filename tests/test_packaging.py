"""What an installed distribution holds: every package, and the manifest, from an sdist and the wheel made of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("caffe_zoo", "converters", "prototxt_gen", "search")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the sdist of a clean copy of this checkout."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = (folder / "dist").glob("*.whl")
    return built


def run(site: Path, code: str, cwd: Path) -> str:
    """What `code` prints where the packages are those in `site`."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {code}"]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout.strip()


@pytest.mark.parametrize("layout", ["--prefix", "--target"])
def test_a_wheel_from_an_sdist_is_whole(wheel, tmp_path, layout):
    place = tmp_path / "place"
    # Without --ignore-installed pip would take the checkout's own installation away.
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",
        "--ignore-installed",
        layout,
        str(place),
    ]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    (site,) = {path.parent.parent for path in place.rglob("caffe_zoo/manifest.py")}
    found = Path(run(site, "from caffe_zoo.manifest import manifest_path; print(manifest_path())", tmp_path))
    assert place.resolve() in found.parents
    assert found.read_bytes() == (ROOT / "weights_manifest.json").read_bytes()
    for package in PACKAGES:
        ours = {path.relative_to(ROOT) for path in (ROOT / package).rglob("*.py")}
        assert ours <= {path.relative_to(site) for path in (site / package).rglob("*.py")}
        assert (site / package / "py.typed").is_file()
    for name in ("caffe.desc", "caffe.proto", "proto.pyi"):
        assert (site / "prototxt_gen" / name).read_bytes() == (ROOT / "prototxt_gen" / name).read_bytes()
    assert run(site, "from prototxt_gen import NetParameter as N; print(N.DESCRIPTOR.full_name)", tmp_path)


def test_the_checkout_finds_its_own_manifest():
    from caffe_zoo.manifest import manifest_path

    assert manifest_path() == ROOT / "weights_manifest.json"
