"""Holds TensorBoard's own reading of a sweep's event files against the sweep's CSV files.

    python scalars.py RESULTS_DIR

Prints how many scalars and panels agree; fails with the first that does not.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

results = Path(sys.argv[1])
scalars = panels = 0
for run in sorted((results / "runs").iterdir()):
    events = EventAccumulator(str(results / "report/tensorboard" / run.name), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    found = {(tag, event.step): event.value for tag in events.Tags()["scalars"] for event in events.Scalars(tag)}
    epochs, classes = pd.read_csv(run / "epochs.csv"), pd.read_csv(run / "classes.csv")
    expected = {}
    for row in epochs.to_dict("records"):
        for name in ["loss", "accuracy", "dice_coef", "iou_coef", "dice_macro", "iou_macro", "learning_rate"]:
            expected[f"{name}/{row['split']}", row["epoch"]] = row[name]
    for row in classes.to_dict("records"):
        for name in ["dice", "iou", "precision", "recall"]:
            expected[f"{name}/{row['split']}/{row['class']}", row["epoch"]] = row[name]
    expected = {key: value for key, value in expected.items() if not np.isnan(value)}
    assert set(found) == set(expected), set(found) ^ set(expected)
    for key, value in expected.items():
        assert np.float32(value) == np.float32(found[key]), (run.name, key, value, found[key])
    images = {tag: events.Images(tag)[0] for tag in events.Tags()["images"]}
    pictures = {f"panel/{path.stem}": path.read_bytes() for path in (run / "panels").glob("*.png")}
    assert {tag: image.encoded_image_string for tag, image in images.items()} == pictures, run.name
    scalars += len(found)
    panels += len(images)
print(f"{scalars} scalars and {panels} panels agree")
