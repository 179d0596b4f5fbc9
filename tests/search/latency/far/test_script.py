"""The script of an export, run by the shells of devices: what it measures, what it keeps, how it stops."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from search.latency.far import read_export

NETWORKS = 14  # the call, 11 parts, 2 whole networks
RUNS = 2 * (NETWORKS + 3)
#: The commands that the script calls where it finds no others.
NEEDED = [
    "cat",
    "date",
    "dirname",
    "grep",
    "head",
    "mkdir",
    "mv",
    "rm",
    "sed",
    "sh",
    "sort",
    "tail",
    "tr",
    "uname",
    "wc",
]
#: The small shells of Debian, of busybox and of Android, as far as they are here.
SHELLS = [words for words in (["dash"], ["busybox", "sh"], ["mksh"], ["bash", "--posix"]) if shutil.which(words[0])]


def results_of(blocks: Path) -> dict[str, int]:
    """Every finished result, and when it was written."""
    return {str(path.relative_to(blocks)): path.stat().st_mtime_ns for path in blocks.glob("results/round-*/*.txt")}


def order_of(environment) -> list[str]:
    return [line.removesuffix(".onnx") for line in Path(environment["CALLS"]).read_text().splitlines()]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[0])
def test_every_shell_times_every_network_in_every_round(shell, blocks, measure, environment):
    export = read_export(blocks)
    assert len(export.networks) == NETWORKS
    status, printed = measure(shell=shell)
    assert (status, len(results_of(blocks))) == (0, RUNS), printed
    assert f"[{RUNS} of {RUNS}] round 2 of 2" in printed
    order = order_of(environment)
    first, second = order[: RUNS // 2], order[RUNS // 2 :]
    for calls in (first, second):
        assert sorted({*calls}) == sorted(network.name for network in export.networks)
        references = [index for index, name in enumerate(calls) if name == export.reference]
        assert {0, len(calls) - 1} < {*references} and any(abs(index - len(calls) // 2) <= 1 for index in references)
    assert first != second  # a round begins with another network than the last
    session = (blocks / "results" / "session-1.txt").read_text()
    for line in (f"export {export.id}", "version mytool 1.0", f"system {os.uname().sysname}", "processor ", "date 20"):
        assert f"\n{line}" in session


def test_nothing_is_measured_twice(blocks, measure, environment):
    measure()
    before = results_of(blocks)
    status, printed = measure()
    assert status == 0 and "of" in printed
    assert results_of(blocks) == before
    assert len(order_of(environment)) == RUNS
    assert not (blocks / "results" / "session-2.txt").exists()


@pytest.mark.parametrize("calls", [1, 7, 20])
def test_killed_it_goes_on_where_it_was(calls, blocks, measure, environment):
    """Killed while the tool runs, as by a power cut: what is finished stays, what was being written is done again."""
    tool = Path(environment["PATH"].split(":")[0]) / "mytool"
    text = tool.read_text()
    die = f'[ "$(wc -l <"$CALLS")" -ge {calls} ] && {{ echo "avg: 1.0 ms"; kill -9 $(cat "$LOCK"); sleep 0.2; }}\n'
    tool.write_text(text.replace('case " $FAILS', die + 'case " $FAILS'))
    status, _ = measure(LOCK=str(blocks / "results" / ".running"))
    assert status == -signal.SIGKILL
    kept = results_of(blocks)
    assert len(kept) == calls - 1
    assert len(list(blocks.glob("results/round-*/*.part"))) == 1
    tool.write_text(text)
    status, printed = measure()
    assert status == 0 and f"{RUNS - calls + 1} runs to do" in printed
    after = results_of(blocks)
    assert len(after) == RUNS and kept.items() <= after.items()
    assert len(order_of(environment)) == RUNS + 1


def test_stopped_by_ctrl_c(blocks, environment):
    tool = Path(environment["PATH"].split(":")[0]) / "mytool"
    # The third run does not end by itself.
    waits = 'if [ "$(wc -l <"$CALLS")" -eq 3 ]; then sleep 600; fi; bytes='
    tool.write_text(tool.read_text().replace("bytes=", waits))
    # Tests that run in the background of a shell have SIGINT ignored, and a shell cannot trap what it finds ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    started = subprocess.Popen(
        ["sh", str(blocks / "measure.sh")], env=environment, start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    signal.signal(signal.SIGINT, before)
    while not Path(environment["CALLS"]).exists() or len(order_of(environment)) < 3:
        assert started.poll() is None
        time.sleep(0.02)
    os.killpg(started.pid, signal.SIGINT)
    printed, _ = started.communicate()
    assert started.returncode == 130
    assert "the same command goes on from here" in printed
    assert len(results_of(blocks)) == 2 and not list(blocks.glob("results/round-*/*.failed"))
    assert not (blocks / "results" / ".running").exists()


def test_a_result_that_a_power_cut_left_empty_or_cut_off_is_measured_again(blocks, measure):
    measure()
    empty, cut = sorted((blocks / "results" / "round-2").glob("0*.txt"))[:2]
    empty.write_bytes(b"")
    cut.write_bytes(cut.read_bytes()[:-4])
    status, printed = measure()
    assert status == 0 and "2 runs to do" in printed
    assert empty.read_text().endswith("end 0\n") and cut.read_text().endswith("end 0\n")


def test_a_network_that_fails_is_named_and_the_others_go_on(blocks, measure):
    name = read_export(blocks).networks[5].name
    status, printed = measure(FAILS=name)
    assert status == 1
    assert f"these failed, and are tried again when this script is started again:\n  round-1/{name}\n" in printed
    assert len(results_of(blocks)) == RUNS - 2
    assert "out of memory" in (blocks / "results" / "round-1" / f"{name}.failed").read_text()
    status, printed = measure()
    assert status == 0 and "2 runs to do" in printed
    assert len(results_of(blocks)) == RUNS and not list(blocks.glob("results/*/*.failed"))


def test_a_full_disk_ends_in_one_line(blocks, measure):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    measure()
    target = next((blocks / "results" / "round-1").glob("00*.txt"))
    target.unlink()
    target.with_name(f"{target.name}.part").symlink_to("/dev/full")
    status, printed = measure()
    assert status == 2
    assert f"{target}.part: cannot be written: is the disk full?" in printed
    assert not target.exists()
    assert measure()[0] == 0 and target.exists()


def test_files_that_did_not_arrive_whole_are_named_before_anything_is_timed(blocks, measure):
    networks = [blocks / "networks" / f"{network.name}.onnx" for network in read_export(blocks).networks]
    networks[2].write_bytes(networks[2].read_bytes()[:-1] + b"?")
    networks[5].unlink()
    status, printed = measure()
    assert status == 2
    assert f"not as they were exported: {networks[2].name} (changed) {networks[5].name} (missing)" in printed
    assert not results_of(blocks)


def test_without_its_tool_it_says_so(blocks, measure, environment):
    (Path(environment["PATH"].split(":")[0]) / "mytool").unlink()
    status, printed = measure()
    assert (status, printed) == (2, "measure.sh: mytool: not found; is it on the PATH?\n")


def test_two_at_once_are_refused(blocks, measure):
    (blocks / "results").mkdir()
    (blocks / "results" / ".running").write_text(f"{os.getpid()}\n")
    status, printed = measure()
    assert status == 2 and f"process {os.getpid()} is at work there already" in printed
    (blocks / "results" / ".running").write_text("999999999\n")  # what a killed one left
    assert measure()[0] == 0


def test_results_go_where_they_are_wanted(blocks, measure, tmp_path):
    assert measure(tmp_path / "else where")[0] == 0
    assert (tmp_path / "else where" / "session-1.txt").exists() and not (blocks / "results").exists()
    status, printed = measure("--help")
    assert status == 0 and printed.startswith("usage: sh measure.sh [RESULTS]")
    assert measure("--rounds")[0] == 2


def test_it_needs_few_commands_and_no_cksum(blocks, measure, environment, tmp_path):
    """What busybox and toybox have in their smallest forms."""
    few = tmp_path / "few"
    few.mkdir()
    for name in (*NEEDED, "basename"):  # the last is for the tool
        (few / name).symlink_to(shutil.which(name))
    tools = environment["PATH"].split(":")[0]
    small = {"shell": [shutil.which("sh")], "PATH": f"{tools}:{few}"}
    damaged = next((blocks / "networks").glob("004-*.onnx"))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])
    status, printed = measure(**small)
    assert status == 2 and f"{damaged.name} (changed)" in printed
    damaged.write_bytes(whole)
    status, printed = measure(**small)
    assert (status, len(results_of(blocks))) == (0, RUNS), printed
    assert "not found" not in printed


def test_shellcheck_finds_nothing(blocks):
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("no shellcheck here")
    done = subprocess.run([program, "-s", "sh", blocks / "measure.sh"], capture_output=True, text=True, check=False)
    assert done.stdout == ""
