"""One search a folder."""

import pytest

from prototxt_gen.errors import FileError
from search.study.lock import held


def test_two_searches_do_not_share_a_folder(small, tmp_path):
    with held(tmp_path), pytest.raises(FileError, match="another search is running"):
        small.search_in(tmp_path)
    small.search_in(tmp_path, trials=1)
