"""A space's networks written out: all, in ranges, gone on with after any stop, and nothing half-written."""

import io
import os
import signal
import subprocess
import sys
import tarfile
import time

import pytest

from prototxt_gen.errors import FileError, FormatError
from prototxt_gen.generator.networks import generate_text
from search.spaces import BackboneSpace, read_space
from search.spaces import writing as module
from search.spaces.writing import Writing

SPACE = BackboneSpace(((1, 2), (1, 3)), (4, 8, 16), stem=(4,), classes=3, input_shape=(1, 1, 16, 16))
# More than a thousand.
MANY = BackboneSpace(((1, 4),) * 2, (4, 8, 12, 16), stem=(4,), classes=3, input_shape=(1, 1, 16, 16))


def texts_of(space, start=0, stop=None):
    """Code and prototxt of each network, in order, made one by one."""
    return {str(one): generate_text(one, "deploy", space.input_shape) for one in list(space)[start:stop]}


def files_of(folder):
    """The text of each prototxt below a folder, by its path there; no other file but the description is there."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "space.yaml"]
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


def members_of(path):
    with tarfile.open(path) as found:
        texts = {member.name: found.extractfile(member).read().decode() for member in found.getmembers()}
    return texts.pop("space.yaml"), texts


def test_a_small_space_lies_in_one_folder(tmp_path):
    assert Writing(SPACE).into_folder(tmp_path / "out") == SPACE.count()
    assert files_of(tmp_path / "out") == {f"{code}.prototxt": text for code, text in texts_of(SPACE).items()}
    assert read_space(tmp_path / "out" / "space.yaml") == SPACE


def test_a_larger_space_lies_in_folders_of_a_thousand(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "IN_A_FOLDER", 1000)
    assert 1000 < MANY.count() < 1200, MANY.count()
    Writing(MANY).into_folder(tmp_path)
    expected = texts_of(MANY)
    names = [f"{place // 1000:03}/{code}.prototxt" for place, code in enumerate(expected)]
    assert files_of(tmp_path) == dict(zip(names, expected.values(), strict=True))


def test_places_of_a_huge_space_name_nested_folders(tmp_path):
    huge = BackboneSpace(((1, 40),) * 3, tuple(range(16, 208, 16)), input_shape=(1, 3, 64, 64))
    place = 10**18 + 998
    assert Writing(huge, place, place + 4).into_folder(tmp_path) == 4
    digits = str(huge.count() - 1)
    width = -(-len(digits) // 3) * 3
    padded = [str(place + i).zfill(width) for i in range(4)]
    expected = [
        "/".join(one[i : i + 3] for i in range(0, width - 3, 3)) + f"/{huge.at(place + i)}.prototxt"
        for i, one in enumerate(padded)
    ]
    assert (
        sorted(files_of(tmp_path)) == sorted(expected) and len({name[: width // 3 * 4 - 4] for name in expected}) == 2
    )


def test_ranges_make_the_whole(tmp_path):
    middle = SPACE.count() // 3
    assert Writing(SPACE, middle).into_folder(tmp_path) == SPACE.count() - middle
    assert Writing(SPACE, 0, middle + 5).into_folder(tmp_path) == middle
    assert Writing(SPACE).into_folder(tmp_path) == 0
    assert files_of(tmp_path) == {f"{code}.prototxt": text for code, text in texts_of(SPACE).items()}


def test_what_is_there_stays_and_what_is_empty_is_written(tmp_path):
    Writing(SPACE).into_folder(tmp_path)
    some = sorted(tmp_path.glob("*.prototxt"))
    some[0].unlink()
    some[1].write_text("")
    some[2].write_text("mine")
    abandoned = tmp_path / ".left.part"
    abandoned.write_text("half")
    os.utime(abandoned, (0, 0))
    assert Writing(SPACE).into_folder(tmp_path) == 2
    assert some[2].read_text() == "mine" and some[0].stat().st_size and some[1].stat().st_size
    assert not abandoned.exists()


@pytest.mark.parametrize("other", [{"form": "train_val"}, {"merged": True}, {"space": MANY}])
def test_a_folder_of_something_else_is_left_alone(tmp_path, other):
    Writing(SPACE, 0, 3).into_folder(tmp_path)
    before = files_of(tmp_path)
    with pytest.raises(FormatError, match=r"space.yaml: found another space or form"):
        Writing(**{"space": SPACE} | other).into_folder(tmp_path)
    assert files_of(tmp_path) == before
    (tmp_path / "space.yaml").unlink()
    with pytest.raises(FormatError, match=r"found a folder with other files"):
        Writing(SPACE).into_folder(tmp_path)


def test_a_stream_says_place_and_code(tmp_path):
    stream = io.BytesIO()
    Writing(SPACE, 2, 5).into_stream(stream)
    expected = [f"# {place} {code}\n{text}" for place, (code, text) in enumerate(texts_of(SPACE, 2, 5).items(), 2)]
    assert stream.getvalue().decode() == "".join(expected)


def test_a_tar_holds_the_same_files(tmp_path):
    long = BackboneSpace(((30, 30),), tuple(range(100, 190)), stem=(4,), input_shape=(1, 3, 64, 64))
    middle = long.count() // 2
    for space, start, stop in ((SPACE, 0, SPACE.count()), (MANY, 0, MANY.count()), (long, middle, middle + 5)):
        path, folder = tmp_path / f"{space.count()}.tar", tmp_path / str(space.count())
        assert Writing(space, start, stop).into_tar(path) == stop - start
        Writing(space, start, stop).into_folder(folder)
        description, members = members_of(path)
        assert members == files_of(folder)
        assert description.startswith((folder / "space.yaml").read_text())
        assert space is not long or max(map(len, members)) > 100
        assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(("name", "size"), [("a", 0), ("001/s4_b8.prototxt", 19_123), ("x" * 100, 2**33 - 1)])
def test_headers_are_those_of_tarfile(name, size):
    info = tarfile.TarInfo(name)
    info.size = size
    assert module._header(name.encode(), size) == info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("left", [0, 1, 511, 512, 700, 2000, 20_001, None])
def test_a_tar_cut_anywhere_is_gone_on_with(tmp_path, left):
    whole, cut = tmp_path / "whole.tar", tmp_path / "cut.tar"
    Writing(SPACE).into_tar(whole)
    data = whole.read_bytes()
    (tmp_path / "cut.tar.part").write_bytes(data[:left])
    told = []
    written = Writing(SPACE, progress=told.append).into_tar(cut)
    assert cut.read_bytes() == data and sum(told) == SPACE.count()
    # Members that were whole are not written again: none in a file that ends before the first of them does.
    first = members_of(whole)[0]
    assert (written == SPACE.count()) == (left in (0, 1, 511, 512, 700, 2000)), (len(first), written)
    assert left is not None or written == 0
    assert Writing(SPACE).into_tar(cut) == 0


def test_a_tar_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "some.tar"
    Writing(SPACE, 0, 4).into_tar(path)
    before = path.read_bytes()
    for other in (Writing(SPACE), Writing(MANY), Writing(SPACE, 0, 4, "train_val")):
        with pytest.raises(FormatError, match=r"some.tar: found another space, form or range"):
            other.into_tar(path)
    assert path.read_bytes() == before
    path.write_bytes(before[:3000])
    with pytest.raises(FormatError, match=r"some.tar: found . networks, expected 4"):
        Writing(SPACE, 0, 4).into_tar(path)


def test_places_outside():
    with pytest.raises(IndexError, match=r"places 0 to 10000000 of a space of"):
        Writing(SPACE, 0, 10_000_000)


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file"):
        Writing(SPACE).into_folder(tmp_path / "file")
    with pytest.raises(FileError, match=r"x.tar: cannot be written"):
        Writing(SPACE).into_tar(tmp_path / "none" / "x.tar")


@pytest.mark.parametrize("to", ["out", "out.tar"])
def test_a_killed_run_is_gone_on_with(tmp_path, to):
    """SIGKILL, while it writes a space that takes hours."""
    code = "from search.spaces import parse_space; from search.spaces.writing import Writing; import sys; "
    code += "w = Writing(parse_space('df'), 0, 400_000); "
    code += f"w.{'into_tar' if to.endswith('tar') else 'into_folder'}(sys.argv[1])"
    target = tmp_path / to
    process = subprocess.Popen([sys.executable, "-c", code, str(target)])
    growing = tmp_path / f"{to}.part" if to.endswith("tar") else target / "000" / "000"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (growing.is_dir() or (growing.exists() and growing.stat().st_size > 10**6)):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    space = __import__("search").parse_space("df")
    if to == "out":
        there = len(list(target.rglob("*.prototxt")))
        texts = {path.stem: path.read_text() for path in list(target.rglob("*.prototxt"))[:20]}
        assert all(texts[str(one)] == generate_text(one) for one in space.between(0, there) if str(one) in texts)
        assert Writing(space, 0, there + 5).into_folder(target) <= 6
    else:
        assert not target.exists()
        writing = Writing(space, 0, 400_000)
        with growing.open("rb") as part:
            there, end = writing._members(part, growing)
            assert 0 < there < 400_000
            part.seek(0)
            begun = part.read(end)
        with tarfile.open(fileobj=io.BytesIO(begun + bytes(1024))) as found:
            names = [member.name for member in found.getmembers()[1:]]
        assert names == [f"000/{place // 1000:03}/{space.at(place)}.prototxt" for place in range(there)]
