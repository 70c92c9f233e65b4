#!/bin/sh
# An outside trainer of a few lines: epochs of 20 ms, a checkpoint each, figures that depend on nothing but the setting
# and the epoch. It refuses to start without the checkpoint that it is told to go on from.
# Usage: trainer.sh LEARNING_RATE SEED EPOCHS
rate=$1 seed=$2 epochs=$3
say() { printf '%s\n' "$1"; }
from=${SWEEPSCOPE_RESUME_EPOCH:-0}
say "attempt $SWEEPSCOPE_ATTEMPT goes on after epoch $from"
if [ -n "$CHAOS_LOG" ]; then echo "$SWEEPSCOPE_RUN_DIR $from" >>"$CHAOS_LOG"; fi
if [ "$from" -gt 0 ] && [ ! -f "$SWEEPSCOPE_CHECKPOINT_DIR/epoch-$from" ]; then
    say '{"event":"failed","kind":"corrupt_checkpoint","message":"the checkpoint is not there"}'
    exit 1
fi
trap 'exit 75' TERM
say "{\"event\":\"start\",\"epoch\":$from,\"epochs\":$epochs}"
epoch=$((from + 1))
while [ "$epoch" -le "$epochs" ]; do
    sleep 0.02
    right=$((100 * epoch + 10 * seed + ${#rate}))
    for split in train val; do
        say "{\"event\":\"epoch\",\"epoch\":$epoch,\"split\":\"$split\",\"loss\":0.$((99 - epoch)),\"classes\":{\"cell\":{\"tp\":$right,\"fp\":20,\"fn\":30},\"fibre\":{\"tp\":0,\"fp\":0,\"fn\":9}}}"
    done
    echo "$epoch" >"$SWEEPSCOPE_CHECKPOINT_DIR/.tmp" || exit 74
    mv "$SWEEPSCOPE_CHECKPOINT_DIR/.tmp" "$SWEEPSCOPE_CHECKPOINT_DIR/epoch-$epoch" || exit 74
    say "{\"event\":\"checkpoint\",\"epoch\":$epoch}"
    epoch=$((epoch + 1))
done
say '{"event":"done"}'
