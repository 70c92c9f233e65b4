#!/usr/bin/env bash
# What the scheduler itself costs: sweeps of a trainer that does nothing, against GNU parallel (and Hydra, where it is
# installed) running the same program the same number of times on the same machine.
#
#     cargo build --release && benches/overhead.sh [RUNS] [MANY_RUNS]
#
# Hydra is looked for in the Python that SWEEPSCOPE_PYTHON names (or python3); it runs a tenth as many.
set -euo pipefail
program=$(cd "$(dirname "$0")/.." && pwd)/target/release/sweepscope
runs=${1:-2000}
many=${2:-10000}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

printf '#!/bin/sh\necho "{\\"event\\":\\"done\\"}"\n' >noop.sh
chmod +x noop.sh
"$program" data synth data --images 6 >noop.log

# A sweep file of $2 runs called $1.
sweep() {
    local seeds=100
    local rates=$(($2 / seeds))
    cat >"$1.toml" <<END
[sweep]
name = "$1"
[data]
images = "data/images"
masks = "data/masks"
input_size = 32
classes = ["background", "cell", "vesicle", "crystal", "fibre"]
background = "background"
[split]
strategy = "random"
allow_missing_class = true
[grid]
learning_rate = [$(seq -s ', ' -f '%ge-6' 1 "$rates")]
split_seed = [$(seq -s ', ' 1 "$seeds")]
[train]
batch_size = 1
[trainer]
command = ["./noop.sh"]
END
}

# Seconds that a command takes.
seconds() {
    local from to
    from=$(date +%s.%N)
    "$@" >out.log 2>err.log || { cat out.log err.log; return 1; }
    to=$(date +%s.%N)
    awk "BEGIN { printf \"%.3f\", $to - $from }"
}

per_run() { awk "BEGIN { printf \"%.2f ms a run\", 1000 * $1 / $2 }"; }

echo "$(nproc) cores, $runs runs, 2 at once"
sweep small "$runs"
time_here=$(seconds "$program" run small.toml -j 2)
echo "sweepscope run:        $time_here s, $(per_run "$time_here" "$runs") (checks, tables and the report included)"
if command -v parallel >/dev/null; then
    time_parallel=$(seconds parallel -j 2 --joblog jobs.log ./noop.sh ::: $(seq "$runs"))
    echo "GNU parallel --joblog: $time_parallel s, $(per_run "$time_parallel" "$runs")"
    awk "BEGIN { printf \"ratio:                 %.2f\n\", $time_here / $time_parallel }"
else
    echo "GNU parallel is not installed"
fi

python=${SWEEPSCOPE_PYTHON:-python3}
if "$python" -c 'import hydra' 2>/dev/null; then
    cat >noop.py <<END
import subprocess, hydra

@hydra.main(version_base=None, config_path=None)
def main(_):
    subprocess.run(["$folder/noop.sh"], stdout=subprocess.DEVNULL, check=True)

main()
END
    few=$((runs / 10))
    time_hydra=$(seconds "$python" noop.py --multirun "+seed=range(0,$few)")
    echo "Hydra multirun ($few): $time_hydra s, $(per_run "$time_hydra" "$few")"
else
    echo "Hydra is not installed"
fi

sweep many "$many"
"$program" run many.toml -j 2 >out.log 2>err.log &
pid=$!
peak=0
while kill -0 "$pid" 2>/dev/null; do
    now=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null || echo 0)
    if [ "${now:-0}" -gt "$peak" ]; then peak=$now; fi
    sleep 0.05
done
wait "$pid"
echo "$many runs: the orchestrator's memory peaks at $((peak / 1024)) MiB"
# The median of five.
median() {
    for _ in 1 2 3 4 5; do
        seconds "$@"
        echo
    done | sort -n | sed -n 3p
}
echo "status of $many runs:     $(median "$program" status results/many) s"
echo "nothing to do, $many:     $(median "$program" run many.toml) s"
sweep huge 100000
echo "plan of 100,000 cells:    $(median "$program" plan huge.toml) s"
