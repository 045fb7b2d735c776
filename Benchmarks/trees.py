#!/usr/bin/env python3
"""Trees beside the xgboost library: rows per second on the same cores, into docs/PERFORMANCE.md.

    trees.py --bin .build/release [--seconds 2] [--write]

Needs xgboost and numpy in the Python that runs it, and tree-bench in the folder of the programs.
Models are trained here; both predict the same rows, and their sums are compared. The library is
timed with its matrix made before (DMatrix), and from plain arrays (inplace_predict).
"""
import argparse
import os
import pathlib
import subprocess
import tempfile
import time

import numpy as np
import xgboost as xgb

import page

MARKS = ("<!-- trees: begin -->", "<!-- trees: end -->")
CASES = [
    # name, features, classes, trees, depth, rows
    ("100 trees of depth 6, 28 features", 28, 0, 100, 6, 100_000),
    ("500 trees of depth 6, 28 features", 28, 0, 500, 6, 50_000),
    ("300 trees of depth 8, 50 features", 50, 0, 300, 8, 50_000),
    ("100 trees of depth 12, 28 features", 28, 0, 100, 12, 50_000),
    ("100 rounds of 5 classes, depth 5, 54 features", 54, 5, 100, 5, 50_000),
]


def best(rows, seconds, body):
    start, least = time.perf_counter(), float("inf")
    while time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        body()
        least = min(least, time.perf_counter() - begin)
    return rows / least


def measure(case, folder, program, seconds, cores):
    name, features, classes, trees, depth, rows = case
    rng = np.random.default_rng(7)
    x = rng.normal(size=(rows, features)).astype(np.float32)
    y = x[:, 0] + np.sin(3 * x[:, 1]) * x[:, 2] + 0.5 * rng.normal(size=rows)
    x[rng.random(x.shape) < 0.05] = np.nan
    settings = {"max_depth": depth, "eta": 0.1, "nthread": cores, "tree_method": "hist"}
    if classes:
        y = np.digitize(y, np.quantile(y, np.arange(1, classes) / classes))
        settings |= {"objective": "multi:softprob", "num_class": classes}
    else:
        y = (y > 0).astype(np.float32)
        settings |= {"objective": "binary:logistic"}
    booster = xgb.train(settings, xgb.DMatrix(x, y), trees)
    model = pathlib.Path(folder) / "model"
    model.mkdir(exist_ok=True)
    booster.save_model(model / "model.ubj")
    x.tofile(pathlib.Path(folder) / "rows.bin")
    matrix = xgb.DMatrix(x)
    total = float(booster.predict(matrix).astype(np.float64).sum())
    made = best(rows, seconds, lambda: booster.predict(matrix))
    plain = best(rows, seconds, lambda: booster.inplace_predict(x))
    told = subprocess.run([program, str(model), str(pathlib.Path(folder) / "rows.bin"),
                           str(seconds)], check=True, capture_output=True, text=True).stdout
    named, shared, single, ours = map(float, told.split())
    if abs(ours - total) > 1e-4 * abs(total):
        raise SystemExit(f"{name}: {ours} is not {total}")
    return name, made, plain, shared, single, named


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    lines = [f"xgboost {xgb.__version__}, {cores} cores, rows per second (best of some rounds):",
             "",
             "| model | xgboost, matrix made before | xgboost, from an array | modelfs, floats "
             "| ratio | one core | modelfs, rows of named values |",
             "|---|---|---|---|---|---|---|"]
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            name, made, plain, shared, single, named = measure(
                case, folder, os.path.join(options.bin, "tree-bench"), options.seconds, cores)
        lines.append(f"| {name} | {made:,.0f} | {plain:,.0f} | {shared:,.0f} "
                     f"| {shared / max(made, plain):.2f} | {single:,.0f} | {named:,.0f} |")
        print(lines[-1], flush=True)
    if options.write:
        page.replace(MARKS, "\n".join(lines))


if __name__ == "__main__":
    main()
