"""Writes the study that later versions must be able to read: python tests/search/study/make_fixture.py.

It makes the folder fixtures/<format of the study>. One that is there already is left alone: it is of the version that
wrote it. The weights of the boundary are not kept, they are too large.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import small_search as small

from search.study.storage import FORMAT, join_study
from search.study.trainings import Key


def main() -> None:
    target = Path(__file__).parent / "fixtures" / FORMAT.replace(" ", "_")
    if target.exists():
        sys.exit(f"{target}: is there already")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        search = small.search_in(folder, schedule=small.FIXTURE_SCHEDULE, trials=small.FIXTURE_TRIALS)
        # One more training begins and is never finished, as when its process is killed.
        following = search.ask()
        study = join_study(folder / "study.db")
        study.claim(Key(str(following), 0), study.read(), grace=0.0)
        study.close()
        target.mkdir(parents=True)
        (target / "latency.json").write_bytes((folder / "latency.json").read_bytes())
        with closing(sqlite3.connect(folder / "study.db")) as database:
            dump = "\n".join(database.iterdump()) + "\n"
            (target / "study.sql").write_text(dump.replace(f"{platform.node()}:{os.getpid()}", "machine:1"), "utf-8")
    expected = {
        "trained": [[str(one.architecture), one.latency, one.accuracy] for one in search.trained()],
        "boundary": [str(one.architecture) for one in search.boundary()],
        "counts": search.counts(),
        "next": str(following),
    }
    (target / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
