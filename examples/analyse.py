"""The report's main table from runs.csv: python examples/analyse.py results/demo"""

import sys

import pandas as pd

runs = pd.read_csv(f"{sys.argv[1]}/runs.csv")
score = next(name for name in runs if name.startswith("best_") and name != "best_epoch")
axes = runs.columns[2 : runs.columns.get_loc("attempts")]
settings = [axis for axis in axes if not axis.endswith(("seed", "fold"))]
table = runs.dropna(subset=[score]).groupby(settings or ["state"], dropna=False).agg(
    mean=(score, "mean"), deviation=(score, "std"), dice_coef=("val_dice_coef", "mean"), runs=(score, "count")
)
print(table.sort_values("mean", ascending=score.endswith("loss")).to_csv())
