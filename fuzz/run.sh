#!/usr/bin/env bash
# Builds the fuzz targets with stable Rust and runs each for a while; ends at the first input that breaks one.
#
#     fuzz/run.sh [SECONDS [TARGET ...]]        20 seconds, all targets
#
# Seeds: fuzz/seeds, and for images and masks those that tests/corpus/make.py writes where Python has its packages.
# What was found stays in target/fuzz/corpus and is where the next run starts from.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-20}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(image mask table sweep protocol)
work="$PWD/target/fuzz"
mkdir -p "$work"

# What cargo-fuzz passes with `--sanitizer none`. With `--target`, build scripts are left alone.
host=$(rustc -vV | sed -n 's/^host: //p')
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares"
cp Cargo.lock fuzz/
RUSTFLAGS="--cfg fuzzing ${coverage//$'\n'/ }" cargo build --release --quiet \
    --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$work/build"

if [ ! -d "$work/made" ] && "${SWEEPSCOPE_PYTHON:-python3}" -c 'import numpy, PIL, tifffile, imagecodecs' 2>/dev/null; then
    "${SWEEPSCOPE_PYTHON:-python3}" -B tests/corpus/make.py "$work/made"
fi

for target in "${targets[@]}"; do
    corpus="$work/corpus/$target"
    mkdir -p "$corpus"
    seeds=()
    [ ! -d "fuzz/seeds/$target" ] || seeds=("fuzz/seeds/$target")
    if [ -d "$work/made/good" ] && [[ $target = image || $target = mask ]]; then
        find "$work/made/good" -path "*/${target}s/*" -type f -size -8k | while read -r file; do
            cp "$file" "$corpus/seed-$(sha256sum <"$file" | cut -c1-12)"
        done
    fi
    # A file that costs over 2 GiB or 10 seconds is a fault too.
    "$work/build/$host/release/$target" "$corpus" "${seeds[@]}" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 -artifact_prefix="$work/$target-" \
        >"$work/$target.log" 2>&1 || { tail -n 40 "$work/$target.log"; exit 1; }
    grep -E 'cov: ' "$work/$target.log" | tail -n 1 | awk -v name="$target" '
        { for (i = 1; i < NF; i++) value[$i] = $(i + 1) }
        { sub("#", "", $1); printf "%-9s %9s executions, %5s edges, %6s features\n", name, $1, value["cov:"], value["ft:"] }'
done
