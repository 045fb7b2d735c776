#!/usr/bin/env python3
"""Makes the fixtures of Keras networks, into keras/, with Keras 3 or with Keras 2 of TensorFlow.

Needs keras with a backend (jax, for one), numpy, h5py and scikit-learn; or tensorflow 2.15, for the
cases whose names begin with keras2. Each case is a folder with model.h5 and expected.json: rows of
all inputs' values, one behind the other, and the library's outputs. The folds have a scaler each.
"""
import json
import os
import pathlib
import pickle
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np

L = keras.layers
HERE = pathlib.Path(__file__).resolve().parent / "keras"
IS_2 = keras.__version__.startswith("2.")
ROWS = 12
rng = np.random.default_rng(5)


def shake(model):
    """Weights that are no zeros and ones, as training would have left them."""
    new = []
    for weight in model.weights:
        name = weight.name if IS_2 else weight.path
        value = weight.numpy() if hasattr(weight, "numpy") else np.asarray(weight)
        if value.dtype.kind == "f":
            value = value + 0.3 * rng.normal(size=value.shape)
            if "variance" in name:
                value = np.abs(value) + 0.5
        new.append(value.astype(weight.dtype if isinstance(weight.dtype, str)
                                else weight.dtype.name))
    model.set_weights(new)


def keep(name, model, inputs, folder=None):
    folder = folder or HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    shake(model)
    model.save(folder / "model.h5")
    found = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    found = found if isinstance(found, list) else [found]
    flat = [np.asarray(v, dtype=np.float64).reshape(ROWS, -1) for v in inputs]
    outputs = [np.asarray(v, dtype=np.float64).reshape(ROWS, -1) for v in found]
    (folder / "expected.json").write_text(json.dumps({
        "rows": np.concatenate(flat, axis=1).tolist(),
        "outputs": np.concatenate(outputs, axis=1).tolist()}) + "\n")
    return found


def numbers(*shape):
    return rng.normal(size=(ROWS, *shape)).astype(np.float32)


def sequential(name):
    model = keras.Sequential([
        keras.Input((6,)), L.Rescaling(0.5, offset=0.1), L.Dense(16, activation="relu"),
        L.BatchNormalization(), L.Dropout(0.2), L.Dense(8), L.LeakyReLU(), L.LayerNormalization(),
        L.Dense(5, activation="gelu"), L.Dense(4, activation="hard_sigmoid"),
        L.Dense(3, activation="softmax")])
    keep(name, model, [numbers(6)])


def functional(name):
    city = keras.Input((1,), name="city", dtype="int32")
    table = keras.Input((4,), name="table")
    series = keras.Input((8, 3), name="series")
    embedded = L.Flatten()(L.Embedding(7, 4, name="embedded")(city))
    norm = L.Normalization(axis=-1, mean=[0.1, -0.2, 0.3, 0.0], variance=[1.0, 2.0, 0.5, 4.0])
    wide = L.Dense(6, activation="elu", name="wide")(norm(table))
    x = L.Conv1D(5, 3, padding="causal", dilation_rate=2, activation="swish")(series)
    x = L.Conv1D(5, 3, padding="same", strides=2)(x)
    x = L.Activation("tanh")(x)
    pooled = L.MaxPooling1D(2)(x)
    memory = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    memory = L.GRU(4, return_sequences=True)(memory)
    memory = L.GRU(4, reset_after=False, go_backwards=True)(memory)
    both = L.Bidirectional(L.GRU(2), merge_mode="sum")(series)
    last = L.LSTM(3, activation="relu", recurrent_activation="hard_sigmoid")(series)
    mean = L.GlobalAveragePooling1D()(series)
    top = L.GlobalMaxPooling1D()(x)
    flat = L.Flatten()(L.Reshape((-1, 5))(pooled))
    timed = L.Flatten()(L.TimeDistributed(L.Dense(2))(series))
    twice = L.RepeatVector(2)(mean)
    twice = L.Flatten()(L.Permute((2, 1))(twice))
    joined = L.Concatenate()([embedded, wide, memory, both, last, mean, top, flat, timed, twice])
    first = L.Dense(6, activation="softplus")(joined)
    second = L.Dense(6, activation="selu")(joined)
    shared = L.Dense(6, name="shared")
    sums = L.Add()([first, second])
    product = L.Multiply()([shared(first), shared(second)])
    average = L.Average()([sums, product, L.Subtract()([first, second])])
    average = L.Maximum()([average, L.Minimum()([first, second])])
    inner_input = keras.Input((6,))
    inner = keras.Model(inner_input, L.Dense(5, activation="sigmoid", name="deep")(inner_input),
                        name="inner")
    nested = inner(average)
    a = L.Dense(2, name="a")(nested)
    b = L.Dense(1, activation="exponential", name="b")(L.Concatenate()([nested, sums]))
    model = keras.Model([city, table, series], [a, b])
    keep(name, model, [rng.integers(0, 7, (ROWS, 1)).astype(np.int32), numbers(4), numbers(8, 3)])


def lstm(name):
    model = keras.Sequential([
        keras.Input((5, 2)), L.LSTM(4, return_sequences=True), L.SimpleRNN(3), L.Dense(1)])
    keep(name, model, [numbers(5, 2)])


def folds():
    from sklearn.preprocessing import MinMaxScaler, StandardScaler
    raw = (50 + 20 * numbers(4)).astype(np.float32)
    all_outputs = []
    for index in range(5):
        folder = HERE / "folds" / f"model_fold_{index}"
        folder.mkdir(parents=True, exist_ok=True)
        seen = 50 + 20 * rng.normal(size=(200, 4))
        scaler = (StandardScaler() if index % 2 else MinMaxScaler()).fit(seen)
        target = StandardScaler().fit(100 + 30 * rng.normal(size=(200, 2)))
        (folder / "scaler_x.pkl").write_bytes(pickle.dumps(scaler))
        (folder / "scaler_y.pkl").write_bytes(pickle.dumps(target))
        model = keras.Sequential([keras.Input((4,)), L.Dense(8, activation="relu"), L.Dense(2)])
        found = keep("", model, [scaler.transform(raw).astype(np.float32)], folder)[0]
        (folder / "expected.json").unlink()
        all_outputs.append(target.inverse_transform(np.asarray(found, dtype=np.float64)))
    stack = np.stack(all_outputs)
    (HERE / "folds" / "expected.json").write_text(json.dumps({
        "rows": raw.astype(np.float64).tolist(), "outputs": stack.mean(axis=0).tolist(),
        "deviations": stack.std(axis=0).tolist()}) + "\n")
    (HERE / "folds" / "predictor.json").write_text(json.dumps({
        "version": 1,
        "inputs": [{"name": n, "unit": "%", "range": [-100, 200]} for n in ("c", "mn", "si", "cr")],
        "scaler": "scaler_x.pkl",
        "output_scaler": "scaler_y.pkl",
        "outputs": [{"name": "strength", "unit": "MPa"}, {"name": "elongation", "unit": "%"}],
        "metrics": {"R²": 0.91, "MAE": 12.5}}, indent=2, ensure_ascii=False) + "\n")


def main():
    prefix = "keras2-" if IS_2 else ""
    sequential(prefix + "sequential")
    functional(prefix + "functional")
    lstm(prefix + "lstm")
    if not IS_2:
        folds()


if __name__ == "__main__":
    sys.exit(main())
