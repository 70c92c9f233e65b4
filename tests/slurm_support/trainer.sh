#!/bin/sh
# An outside trainer of a few lines whose epochs take PAUSE seconds. Its figures depend on nothing but the setting and the
# epoch. On a node that the file named by BROKEN names it fails at once, as on a node whose GPU is gone.
# Usage: trainer.sh LEARNING_RATE SEED EPOCHS
rate=$1 seed=$2 epochs=$3
say() { printf '%s\n' "$1"; }
from=${SWEEPSCOPE_RESUME_EPOCH:-0}
if [ -n "$SLURMD_NODENAME" ] && grep -qx "$SLURMD_NODENAME" "$BROKEN" 2>/dev/null; then
    say "no GPU answers on $SLURMD_NODENAME"
    exit 3
fi
if [ "${from:-0}" -gt 0 ] && [ ! -f "$SWEEPSCOPE_CHECKPOINT_DIR/epoch-$from" ]; then
    say '{"event":"failed","kind":"corrupt_checkpoint","message":"the checkpoint is not there"}'
    exit 1
fi
trap 'exit 75' TERM
say "on ${SLURMD_NODENAME:-this machine}, GPU ${CUDA_VISIBLE_DEVICES:-none}"
say "{\"event\":\"start\",\"epoch\":${from:-0},\"epochs\":$epochs}"
epoch=$((${from:-0} + 1))
while [ "$epoch" -le "$epochs" ]; do
    sleep "${PAUSE:-0.01}"
    right=$((100 * epoch + 10 * seed + ${#rate}))
    for split in train val; do
        say "{\"event\":\"epoch\",\"epoch\":$epoch,\"split\":\"$split\",\"loss\":0.$((999 - epoch)),\"classes\":{\"cell\":{\"tp\":$right,\"fp\":20,\"fn\":30},\"fibre\":{\"tp\":0,\"fp\":0,\"fn\":9}}}"
    done
    own="$SWEEPSCOPE_CHECKPOINT_DIR/.$$.${SLURMD_NODENAME:-here}"
    echo "$epoch" >"$own" && mv "$own" "$SWEEPSCOPE_CHECKPOINT_DIR/epoch-$epoch" || exit 74
    say "{\"event\":\"checkpoint\",\"epoch\":$epoch}"
    epoch=$((epoch + 1))
done
say '{"event":"done"}'
