#!/usr/bin/env python3
"""Makes the fixtures of gradient-boosted trees with the xgboost library, into trees/.

Needs xgboost and numpy. Each case is a folder with a model file and expected.json: rows (null is a
missing value), and for each the margin and the prediction of the library.
"""
import json
import pathlib

import numpy as np
import xgboost as xgb

HERE = pathlib.Path(__file__).resolve().parent / "trees"
ROWS = 40


def data(seed, columns=6, missing=0.15, count=500):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, columns)).astype(np.float32)
    y = x[:, 0] + 0.5 * x[:, 1] * x[:, 2] + 0.1 * rng.normal(size=count)
    x[rng.random(x.shape) < missing] = np.nan
    return x, y


def plain(values):
    values = np.asarray(values, dtype=np.float64)
    values = values.reshape(len(values), -1)
    return [[float(v) for v in row] for row in values]


def keep(name, booster, x, forms=("json",), **more):
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    for form in forms:
        booster.save_model(folder / f"model.{form}")
    x = x[:ROWS]
    matrix = xgb.DMatrix(x, feature_names=booster.feature_names,
                         feature_types=booster.feature_types, enable_categorical=True)
    rows = [[None if np.isnan(v) else float(v) for v in row] for row in x]
    found = {"rows": rows, "margins": plain(booster.predict(matrix, output_margin=True)),
             "predictions": plain(booster.predict(matrix)), **more}
    (folder / "expected.json").write_text(json.dumps(found) + "\n")


def train(parameters, x, y, rounds=8, **matrix):
    settings = {"max_depth": 4, "seed": 7, "nthread": 1, "eta": 0.3, **parameters}
    return xgb.train(settings, xgb.DMatrix(x, y, **matrix), rounds)


def positive(y):
    return np.exp(y / 2)


def main():
    x, y = data(1)
    names = [f"f{index}" for index in range(6)]
    keep("binary", train({"objective": "binary:logistic", "base_score": 0.3}, x, y > 0,
                         feature_names=["age", "income", "debt", "rooms", "rate", "score"]),
         x, ("json", "ubj"))
    keep("multiclass", train({"objective": "multi:softprob", "num_class": 3}, x,
                             np.digitize(y, [-0.5, 0.5])), x, ("json", "ubj"))
    keep("softmax", train({"objective": "multi:softmax", "num_class": 4}, x,
                          np.digitize(y, [-0.5, 0, 0.5]), rounds=3), x)
    keep("regression", train({"objective": "reg:squarederror"}, x, y * 10 + 3), x, ("json", "ubj"))
    keep("dart", train({"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.3,
                        "skip_drop": 0.1}, x, y > 0), x, ("json", "ubj"))
    keep("forest", train({"objective": "reg:squarederror", "num_parallel_tree": 4,
                          "subsample": 0.5}, x, y, rounds=2), x)
    for objective in ("binary:logitraw", "binary:hinge", "reg:logistic", "rank:pairwise",
                      "rank:ndcg", "count:poisson", "reg:gamma", "reg:tweedie",
                      "reg:absoluteerror", "reg:pseudohubererror", "reg:squaredlogerror",
                      "survival:cox"):
        target = y
        if objective.startswith(("binary", "reg:logistic", "rank")):
            target = (y > 0).astype(float)
        elif not objective.startswith("reg:absolute") and objective != "reg:pseudohubererror":
            target = positive(y)
        if objective == "count:poisson":
            target = np.floor(3 * positive(y))
        more = {"group": [100] * 5} if objective.startswith("rank") else {}
        keep(objective.replace(":", "-"),
             train({"objective": objective, "max_depth": 3}, x, target, rounds=3, **more), x)
    keep("quantiles", train({"objective": "reg:quantileerror", "max_depth": 3,
                             "quantile_alpha": [0.1, 0.5, 0.9]}, x, y, rounds=3), x)
    both = np.stack([y, 5 - 2 * y], axis=1)
    keep("targets", train({"objective": "reg:squarederror"}, x, both, rounds=3), x)
    keep("vectors", train({"objective": "reg:squarederror", "multi_strategy": "multi_output_tree",
                           "tree_method": "hist"}, x, both, rounds=3), x, ("json", "ubj"))
    keep("deep", train({"objective": "reg:squarederror", "max_depth": 14, "eta": 1.0,
                        "min_child_weight": 0, "lambda": 0}, *data(3, count=1500), rounds=2),
         data(4)[0], ("ubj",))

    rng = np.random.default_rng(2)
    x, y = data(2)
    x[:, 0] = rng.integers(0, 3, len(x))
    x[:, 1] = rng.integers(0, 40, len(x))
    x[::11, 1] = np.nan
    y = np.sin(x[:, 0] * 5) + np.nan_to_num(np.cos(x[:, 1] * 3)) + np.nan_to_num(x[:, 2])
    shown = x.copy()
    shown[:3, 1] = [39, 40, 77]
    keep("categorical", train({"objective": "reg:squarederror", "tree_method": "hist",
                               "max_cat_to_onehot": 5}, x, y, feature_names=names,
                              feature_types=["c", "c", "q", "q", "float", "q"],
                              enable_categorical=True), shown, ("json", "ubj"))


if __name__ == "__main__":
    main()
