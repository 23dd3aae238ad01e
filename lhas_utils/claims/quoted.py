"""Numbers quoted from arXiv:2605.30537 (CC BY 4.0); ours are computed and never written here."""

import pandas as pd

_NAMES = ["random", "loss", "gradient", "diversity", "quality", "utility_diversity", "lhas"]

TABLE1 = pd.DataFrame(
    {
        "current": [58.2, 61.9, 62.4, 59.5, 61.1, 62.0, 61.4],
        "future_auc": [0.61, 0.54, 0.52, 0.63, 0.57, 0.62, 0.67],
        "forgetting": [4.8, 8.6, 9.4, 4.3, 7.5, 5.5, 3.9],
        "ood": [54.0, 48.1, 46.5, 55.7, 50.2, 55.0, 58.2],
        "worst_task": [49.8, 43.2, 41.7, 50.6, 44.9, 49.4, 53.1],
        "gap": [0.12, 0.42, 0.47, 0.16, 0.36, 0.28, 0.10],
    },
    index=_NAMES,
)
TABLE2 = pd.DataFrame(
    {
        "entropy": [1.92, 1.28, 1.22, 2.05, 1.45, 1.81, 2.02],
        "difficulty": [0.42, 0.74, 0.76, 0.45, 0.35, 0.58, 0.56],
        "quality": [0.65, 0.51, 0.53, 0.64, 0.83, 0.68, 0.70],
        "concentration": [0.31, 0.58, 0.63, 0.27, 0.49, 0.39, 0.25],
    },
    index=_NAMES,
)
TABLE3 = pd.DataFrame(
    {
        "10%": [0.54, 0.47, 0.45, 0.57, 0.49, 0.58, 0.62],
        "25%": [0.59, 0.51, 0.50, 0.62, 0.54, 0.64, 0.69],
        "50%": [0.63, 0.56, 0.55, 0.65, 0.58, 0.67, 0.71],
    },
    index=_NAMES,
)
