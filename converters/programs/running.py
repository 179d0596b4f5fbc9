"""Running another program: where it is, its output, and what became of one that failed or took too long."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from prototxt_gen.errors import CaffeError, MissingProgramError, UnsupportedError

# Lines of a failing program's output in its error, and characters of them.
_LAST_LINES = 6
_LAST_CHARACTERS = 400
# The signals by which others end a program, where the system has them.
_KILLED = {
    int(getattr(signal, name)): name for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)
}
# What stands out in an output: glog's fatal lines (Caffe), errors of TensorRT.
_FAULT = re.compile(r"^F\d{4,8} [\d:.]+ |Check failed: |\[E\] ")


def find_program(name: str, purpose: str) -> str:
    """The path of a program. MissingProgramError where it is not on the PATH; `purpose` begins its message."""
    found = shutil.which(name)
    if found is None:
        raise MissingProgramError(name, purpose)
    return found


def run_program(
    command: Sequence[str],
    subject: str,
    *,
    seconds: float | None = None,
    environment: Mapping[str, str] | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> str:
    """What a program prints, errors included, in the order in which they come. It runs until it ends.

    `environment` is set beside this process's own. After `seconds` the program and all that it started are killed, and
    so they are when this process is interrupted. `subject` begins the messages: UnsupportedError with the last lines
    of a program that fails, CaffeError for one that was killed or took too long.
    """
    name = Path(command[0]).name
    try:
        process = subprocess.Popen(  # noqa: S603
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    except OSError as fault:
        raise CaffeError(f"{subject}: {name} cannot be started: {fault.strerror or fault}") from fault
    try:
        data, _ = process.communicate(timeout=seconds)
    except BaseException as fault:
        kill(process)
        data, _ = process.communicate()
        if isinstance(fault, subprocess.TimeoutExpired):
            raise stopped(subject, name, fault.timeout, data.decode("utf-8", "replace")) from fault
        raise
    text = data.decode("utf-8", "replace")
    if process.returncode == 0:
        return text
    raise ended(subject, name, process.returncode, text)


def ended(subject: str, name: str, status: int, text: str) -> CaffeError:
    """The error for a program that ended with this status, having printed a text."""
    # A shell that starts a program gives 128 and the signal's number.
    number = -status if status < 0 else status - 128
    if number in _KILLED:
        return CaffeError(f"{subject}: {name} was killed by {_KILLED[number]}{last_words(text)}")
    if status < 0:
        return UnsupportedError(f"{subject}: {name} crashed with {signal.Signals(-status).name}{last_words(text)}")
    return UnsupportedError(f"{subject}: {name} failed with status {status}{last_words(text)}")


def stopped(subject: str, name: str, seconds: float, text: str) -> CaffeError:
    """The error for a program that took more than so many seconds, having printed a text."""
    return CaffeError(f"{subject}: {name} took more than {seconds:g} s and was stopped{last_words(text)}")


def kill(process: subprocess.Popen[bytes]) -> None:
    """Ends a program and, where the system has groups of processes, all that it started."""
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def last_words(text: str) -> str:
    """The end of a sentence that says what a failing program said: its first fault, or else its last lines."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    faults = [line for line in lines if _FAULT.search(line)]
    if faults:
        return f": {faults[0][:_LAST_CHARACTERS]}"
    return f": {' | '.join(lines[-_LAST_LINES:])[-_LAST_CHARACTERS:]}" if lines else " without a word"
