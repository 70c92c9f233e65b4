"""Copy this file beside a training script of your own, so that sweepscope can run it. Needs Python 3.11 and NumPy.

The script's stdout is read line by line: JSON lines with an "event" are messages, all others go to the run's log.
"""
import csv, json, os, pathlib, signal, sys, tomllib
import numpy as np

RUN = pathlib.Path(os.environ["SWEEPSCOPE_RUN_DIR"])
CHECKPOINTS = pathlib.Path(os.environ["SWEEPSCOPE_CHECKPOINT_DIR"])
RESUME_EPOCH = int(os.environ["SWEEPSCOPE_RESUME_EPOCH"] or 0)  # 0: from the start
SETTINGS = tomllib.loads(pathlib.Path(os.environ["SWEEPSCOPE_CONFIG"]).read_text())["config"]
HEIGHT, WIDTH = np.broadcast_to(SETTINGS["data"]["input_size"], 2).tolist()  # one number: both
CLASSES = [label["name"] for label in SETTINGS["data"]["classes"]]
stop_asked = []
signal.signal(signal.SIGTERM, lambda *_: stop_asked.append(True))


def images(split):
    """(image, mask) paths of "train", "val" or "test", dealt by sweepscope: the same for every setting."""
    data = SETTINGS["data"]
    with open(RUN / "split.csv", newline="") as table:
        names = [row["image"] for row in csv.DictReader(table) if row["split"] == split]
    return [(pathlib.Path(data["images"], name), pathlib.Path(data["masks"], name)) for name in names]


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def tell_epoch(epoch, split, loss, results, **figures):
    """The end of an epoch: `results` holds (image name, true classes, predicted classes) of each image of the split.

    From the counts come Dice and IoU of each class, image and split. Other figures that can be told: accuracy,
    dice_coef, iou_coef, learning_rate.
    """
    for name, truth, found in results:
        each = {}
        for number, label in enumerate(CLASSES):
            is_true, is_found = truth == number, found == number
            tp = int((is_true & is_found).sum())
            each[label] = {"tp": tp, "fp": int(is_found.sum()) - tp, "fn": int(is_true.sum()) - tp}
        say("image", epoch=epoch, split=split, image=str(name), classes=each)
    say("epoch", epoch=epoch, split=split, loss=float(loss), **figures)


def checkpoint(epoch, save, suffix):
    """Saves the state after `epoch` by calling `save(path)`: whole or not at all. Ends the program if that was asked."""
    temporary = CHECKPOINTS / f"unfinished{suffix}"
    save(temporary)
    os.replace(temporary, saved(epoch, suffix))
    say("checkpoint", epoch=epoch)
    saved(epoch - 2, suffix).unlink(missing_ok=True)  # the one before may still be the last that was heard of
    if stop_asked:
        sys.exit(75)  # stopped, can go on


def saved(epoch, suffix):
    """Where the state after `epoch` is saved."""
    return CHECKPOINTS / f"epoch-{epoch}{suffix}"
