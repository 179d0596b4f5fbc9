"""The loop of a worker: requests in, answers out, a line of JSON each, arrays in .npy files between them.

Run as `python -E serving.py TOOL.py FOLDER`, TOOL.py one of this folder. Requests come by standard input; answers go
where standard output went. Whatever the tool prints goes to standard error, and it has nothing to read. TOOL.py has a
function for each thing that can be asked for; it takes the request's values by keyword, `arrays` among them where the
request has some, and gives a dictionary of plain values, whose "arrays" are written to files.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from typing import Any

import numpy as np


def _answered(tool: dict[str, Any], request: dict[str, Any], folder: str, number: int) -> dict[str, Any]:
    """What the tool says to a request; `fault` instead where it raises."""
    try:
        files = request.pop("arrays", None)
        if files is not None:
            request["arrays"] = {
                name: np.load(os.path.join(folder, file), allow_pickle=False)  # noqa: PTH118
                for name, file in files.items()
            }
        answer: dict[str, Any] = tool[request.pop("do")](**request) or {}
        written = {}
        for place, (name, array) in enumerate(answer.pop("arrays", {}).items()):
            written[name] = f"answer{number}.{place}.npy"
            np.save(os.path.join(folder, written[name]), np.asarray(array), allow_pickle=False)  # noqa: PTH118
        return {**answer, "arrays": written}
    except Exception as fault:  # whatever the tool raises
        return {"fault": f"{type(fault).__name__}: {fault}"}


def _serve(path: str, folder: str) -> None:
    # Only this loop has the way back; a dup is not handed on to programs that the tool starts.
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    getattr(sys.stdout, "reconfigure")(line_buffering=True)  # noqa: B009
    # The folder of this file, where files are named after tools, is no place to import from.
    sys.path.pop(0)
    tool: dict[str, Any] = {}
    try:
        tool = runpy.run_path(path)
        first: dict[str, Any] = {"ready": True}
    except Exception as fault:
        first = {"fault": f"{type(fault).__name__}: {fault}"}
    print(json.dumps(first), file=answers, flush=True)
    for number, line in enumerate(requests):
        answer = _answered(tool, json.loads(line), folder, number)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
