
# ---------------------------------------------------------------------------------------------------------------------
# From here on the script is the same in every export. It needs a POSIX sh and the usual small commands, no Python.

say() { printf '%s\n' "$*"; }

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 2
}

unwritable() {
    rm -f "$1"
    fail "$1: cannot be written: is the disk full?"
}

# Seconds since 1970; nothing where `date` does not know them.
now() {
    seconds=$(date +%s 2>/dev/null)
    case $seconds in '' | *[!0-9]*) ;; *) say "$seconds" ;; esac
}

# The hottest zone in thousandths of a degree; nothing where none can be read.
temperature() {
    hottest=
    for zone in /sys/class/thermal/thermal_zone*/temp; do
        degrees=
        [ -r "$zone" ] && read -r degrees 2>/dev/null <"$zone"
        case $degrees in '' | *[!0-9]*) continue ;; esac
        if [ -z "$hottest" ] || [ "$degrees" -gt "$hottest" ]; then hottest=$degrees; fi
    done
    say "$hottest"
}

# The first line of a file, without the zero byte that ends those of a device tree.
first_line() { [ -r "$1" ] && tr -d '\000' <"$1" 2>/dev/null | head -n 1; }

device_name() {
    if [ -r /proc/device-tree/model ]; then
        first_line /proc/device-tree/model
    elif command -v getprop >/dev/null 2>&1; then
        say "$(getprop ro.product.manufacturer) $(getprop ro.product.model) $(getprop ro.soc.model)"
    fi
}

processor() {
    sed -n -e '/^model name/b found' -e '/^Hardware/b found' -e 'd' -e ':found' -e 's/^[^:]*:[[:space:]]*//p' -e 'q' \
        /proc/cpuinfo 2>/dev/null
}

cores() { grep -c '^processor' /proc/cpuinfo 2>/dev/null; }

# One word for each kind of core.
governors() { cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor 2>/dev/null | sort -u | tr '\n' ' '; }

power_mode() { command -v nvpmodel >/dev/null 2>&1 && nvpmodel -q 2>/dev/null | tr '\n' ' '; }

checksum() { command -v cksum >/dev/null 2>&1 && cksum <"$1"; }

# A result counts when its last line says that the tool ended well: after a power cut a file may be empty or cut off.
finished() { [ -s "$1" ] && [ "$(tail -n 1 "$1")" = "end 0" ]; }

# What the program says of itself and of the device, once for each start of this script.
begin_session() {
    session=1
    while [ -e "$results/session-$session.txt" ]; do session=$((session + 1)); done
    new=$results/session-$session.txt.part
    path=$(command -v "$program")
    printf '%s\n' "dongfeng session 1" "export $export_id" "session $session" "date $(date -u +%Y-%m-%dT%H:%M:%SZ)" \
        "program $path" "checksum $([ -f "$path" ] && checksum "$path")" "version $(version 2>/dev/null </dev/null |
            tr '\n' ' ')" "system $(uname -srm)" "device $(device_name)" "processor $(processor)" "cores $(cores)" \
        "governor $(governors)" "power $(power_mode)" "temperature $(temperature)" "end 0" >"$new" || unwritable "$new"
    mv "$new" "$results/session-$session.txt" || unwritable "$new"
}

# Every file that the tool will read, as it was written: a cable or a full card may have damaged one.
check_files() {
    faults=
    have=$(command -v cksum)
    for entry in $files; do
        file=${entry%%:*} sums=${entry#*:}
        if [ ! -r "$here/networks/$file" ]; then
            faults="$faults $file (missing)"
        elif [ -n "$have" ]; then
            [ "$(cksum <"$here/networks/$file")" = "${sums%%:*} ${sums##*:}" ] || faults="$faults $file (changed)"
        else
            [ "$(($(wc -c <"$here/networks/$file")))" -eq "${sums##*:}" ] || faults="$faults $file (changed)"
        fi
    done
    [ -z "$faults" ] || fail "networks: not as they were exported:$faults"
}

# How long the rest takes, when it goes on as it did so far.
left() {
    seconds=$(now)
    if [ -n "$seconds" ] && [ -n "$started" ] && [ "$timed" -gt 0 ]; then
        rest=$(((seconds - started) * (total - ran) / timed))
        if [ "$rest" -ge 5400 ]; then
            say ", about $(((rest + 1800) / 3600)) hours left"
        elif [ "$rest" -ge 90 ]; then
            say ", about $(((rest + 30) / 60)) minutes left"
        else
            say ", about $rest seconds left"
        fi
    fi
}

# measure ROUND NAME ITERATIONS FILE: runs the tool once; its output becomes FILE when it ended well.
measure() {
    target=$results/round-$1/$4.txt
    new=$target.part
    if finished "$target"; then return; fi
    if [ "$counting" = 1 ]; then
        missing=$((missing + 1))
        return
    fi
    say "[$((ran + 1)) of $total] round $1 of $rounds: $4$(left)"
    printf '%s\n' "dongfeng result 1" "export $export_id" "session $session" "round $1" "network $2" "iterations $3" \
        "temperature $(temperature)" "begun $(now)" "output" >"$new" || unwritable "$new"
    # A shell of its own, so that what a signal makes this one say does not go into the file. Without input: tools such
    # as `adb shell` take what they find.
    (run "$2" "$3") >>"$new" 2>&1 </dev/null
    status=$?
    printf '\nend %s\n' "$status" >>"$new" || unwritable "$new"
    if [ "$status" -eq 0 ]; then
        mv "$new" "$target" || unwritable "$new"
        rm -f "$results/round-$1/$4.failed"
    else
        mv "$new" "$results/round-$1/$4.failed" || unwritable "$new"
        say "  failed with exit status $status: $results/round-$1/$4.failed has what it said"
        failed="$failed round-$1/$4"
    fi
    ran=$((ran + 1))
    timed=$((timed + 1))
}

# The same network at the beginning, in the middle and at the end of each round shows whether the device slows down.
reference() { measure "$1" "$reference" "$reference_iterations" "reference-$2"; }

# Each round has all networks in their order, and begins with another one.
all_rounds() {
    round=1
    while [ "$round" -le "$rounds" ]; do
        mkdir -p "$results/round-$round" || fail "$results/round-$round: cannot be made"
        reference "$round" 1
        first=$(((round - 1) * count / rounds))
        place=0
        for pass in 1 2; do
            index=0
            for entry in $networks; do
                index=$((index + 1))
                if [ "$pass" = 1 ]; then
                    [ "$index" -gt "$first" ] || continue
                else
                    [ "$index" -le "$first" ] || continue
                fi
                [ "$place" -eq $((count / 2)) ] && reference "$round" 2
                place=$((place + 1))
                measure "$round" "${entry%%:*}" "${entry##*:}" "${entry%%:*}"
            done
        done
        reference "$round" 3
        round=$((round + 1))
    done
}

leave() {
    # A tool that handles the signal by itself may have ended well; its result is not taken.
    say "stopped; the same command goes on from here"
    exit 130
}

case ${1:-} in
-h | --help)
    say "usage: sh ${0##*/} [RESULTS]"
    say "Times the networks beside this script with $program, and writes what it says to the folder RESULTS (results/"
    say "beside this script unless told otherwise). Stopped, it goes on where it was when it is started again."
    exit 0
    ;;
-*) fail "found $1, expected a folder for the results" ;;
esac

LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd) || exit 2
results=${1:-$here/results}
command -v "$program" >/dev/null 2>&1 || fail "$program: not found; is it on the PATH?"
mkdir -p "$results" || fail "$results: cannot be made"

# Two at once would slow each other down.
lock=$results/.running
if [ -r "$lock" ] && read -r other <"$lock" && [ "$other" != $$ ] && kill -0 "$other" 2>/dev/null; then
    fail "$results: process $other is at work there already (if that is something else, delete $lock)"
fi
say "$$" >"$lock" || unwritable "$lock"
trap 'rm -f "$lock"' EXIT
trap leave INT TERM HUP

count=0
for entry in $networks; do count=$((count + 1)); done
total=$((rounds * (count + 3)))
missing=0 counting=1
all_rounds
counting=0 ran=$((total - missing)) timed=0 failed=
if [ "$missing" -gt 0 ]; then
    say "$missing runs to do: $count networks in $rounds rounds, and a reference three times a round"
    check_files
    begin_session
    started=$(now)
    all_rounds
fi
if [ -n "$failed" ]; then
    say "these failed, and are tried again when this script is started again:"
    for entry in $failed; do say "  $entry"; done
    exit 1
fi
say "all $total times are in $results; take that folder back to where the export was made"
