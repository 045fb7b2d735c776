#!/usr/bin/env python3
"""Makes the weight files in Tests/Fixtures/weights, by the libraries that write such files.

    python3 make-weights.py [PART ...]

Parts: torch, pickles, sklearn, keras, xgboost; all of them without arguments. A part needs its
library (torch 1.13 or later; scikit-learn, joblib and pandas; keras 3 and h5py; xgboost) and may be
run in an environment of its own. What the values are is said by formulas that the tests know, and
the random ones come from fixed seeds. Kept are the files: tests need none of the libraries.
"""
import argparse
import collections
import json
import os
import pickle
import sys
import zipfile

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "weights")


def path(name):
    return os.path.join(FOLDER, name)


def make_torch():
    import numpy
    import torch

    grid = torch.arange(12, dtype=torch.float32).reshape(3, 4) / 8
    wide = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    state = collections.OrderedDict(
        [
            ("weight", torch.nn.Parameter(grid)),
            ("bias", torch.tensor([0.5, -1.5, 2.0])),
            ("half", torch.arange(6, dtype=torch.float16) / 4),
            ("brain", torch.arange(6).to(torch.bfloat16)),
            ("bytes", torch.arange(-3, 3, dtype=torch.int8)),
            ("counts", torch.tensor([1, -2, 1 << 40])),
            ("double", torch.tensor([0.1, 0.2], dtype=torch.float64)),
            ("flags", torch.tensor([True, False, True])),
            ("scalar", torch.tensor(7.25)),
            ("empty", torch.zeros(0, 4)),
            ("transposed", wide.t()),
            ("part", wide[1:3, ::2]),
            ("repeated", torch.tensor([3.0]).expand(2, 3)),
            ("rows", wide[2:4]),
        ]
    )
    state["tied"] = state["weight"]
    torch.save(state, path("state.pth"))
    torch.save(state, path("state-stream.pth"), _use_new_zipfile_serialization=False)

    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    adam = torch.optim.Adam(net.parameters())
    net(torch.ones(5, 4)).sum().backward()
    adam.step()
    with torch.no_grad():
        for value in net.state_dict().values():
            value.copy_(torch.arange(value.numel()).reshape(value.shape))
    nested = {
        "model_state_dict": net.state_dict(),
        "optimizer_state_dict": adam.state_dict(),
        "epoch": 3,
        "best_loss": 0.125,
        "config": {
            "layers": [8, 4],
            "name": "größe",
            "dropout": 0.1,
            "flag": True,
            "nothing": None,
            "pair": (1, -2),
            "big": 1 << 40,
            "negative": -(1 << 40),
            "kinds": {"only"},
        },
        "size": torch.Size([2, 3]),
        "type": torch.float16,
        "device": torch.device("cpu"),
        "mean": numpy.arange(6.0).reshape(2, 3),
        "order": numpy.asfortranarray(numpy.arange(6, dtype=numpy.float32).reshape(2, 3)),
        "rate": numpy.float64(0.25),
        "steps": numpy.int64(7),
        "classes": numpy.array(["a", "bc"]),
        "objects": numpy.array(["x", 1, None], dtype=object),
        "default": collections.defaultdict(list, {"a": [1]}),
    }
    for protocol in (2, 3, 4, 5):
        torch.save(nested, path(f"nested-{protocol}.pth"), pickle_protocol=protocol)
    torch.save(nested, path("nested-stream.pth"), _use_new_zipfile_serialization=False)
    torch.save(net, path("module.pth"))
    torch.jit.save(torch.jit.script(net), path("script.pt"))

    with zipfile.ZipFile(path("state.pth")) as source:
        with zipfile.ZipFile(path("compressed.pth"), "w", zipfile.ZIP_DEFLATED) as target:
            for member in source.infolist():
                # Of the members only the storages are compressed: the pickle can be read.
                kind = zipfile.ZIP_DEFLATED if "/data/" in member.filename else zipfile.ZIP_STORED
                target.writestr(member.filename, source.read(member), kind)


class Command:
    """Whoever unpickles this runs a command."""

    def __init__(self, function, *arguments):
        self.called = (function, arguments)

    def __reduce__(self):
        return self.called


def make_pickles():
    plain = {
        "none": None,
        "truth": [True, False],
        "numbers": [0, 1, 255, 256, 65536, -1, -(1 << 31), 1 << 31, (1 << 62), -(1 << 63)],
        "reals": [0.0, -0.5, 1e300],
        "texts": [
            "", "plain", "größe", "\N{GRINNING FACE}", "two\nlines", "back\\slash", "x" * 300,
        ],
        "bytes": [b"", b"\x00\xff", b"y" * 300],
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "sets": [set(), {1}, frozenset({2})],
        "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
        1: "a number as a key",
    }
    plain["shared"] = plain["numbers"]
    for protocol in range(6):
        with open(path(f"plain-{protocol}.pkl"), "wb") as file:
            pickle.dump(plain, file, protocol)
        with open(path(f"system-{protocol}.pkl"), "wb") as file:
            pickle.dump({"a": Command(os.system, "exit 3")}, file, protocol)
        with open(path(f"eval-{protocol}.pkl"), "wb") as file:
            pickle.dump([Command(eval, "1 + 1")], file, protocol)


def make_sklearn():
    import joblib
    import numpy
    import pandas
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    rows = numpy.array([[1.0, 10.0, -3.0], [2.0, 30.0, 5.0], [4.0, 20.0, 0.25], [9.0, 15.0, 1.5]])
    table = pandas.DataFrame(rows, columns=["width", "height", "größe"])
    made = {
        "standard": StandardScaler().fit(table),
        "standard-bare": StandardScaler(with_mean=False, with_std=False).fit(rows),
        "range": MinMaxScaler().fit(table),
        "range-clip": MinMaxScaler(feature_range=(-2, 3), clip=True).fit(rows),
    }
    new = numpy.array([[3.0, 25.0, 2.0], [-5.0, 99.0, 1.0]])
    expected = {}
    for name, scaler in made.items():
        with open(path(f"{name}.pkl"), "wb") as file:
            pickle.dump(scaler, file)
        joblib.dump(scaler, path(f"{name}.joblib"))
        given = pandas.DataFrame(new, columns=table.columns) if scaler is made["standard"] else new
        given = pandas.DataFrame(new, columns=table.columns) if name == "range" else given
        scaled = scaler.transform(given)
        expected[name] = {
            "scaled": scaled.tolist(),
            "unscaled": scaler.inverse_transform(scaled).tolist(),
        }
    with open(path("standard-0.pkl"), "wb") as file:
        pickle.dump(made["standard"], file, 0)
    joblib.dump(made["standard"], path("standard-compressed.joblib"), compress=3)
    joblib.dump({"x": made["standard"], "y": made["range"]}, path("both.joblib"))
    joblib.dump(
        {
            "rows": numpy.asfortranarray(rows.astype(numpy.float32)),
            "empty": numpy.zeros((0, 3)),
            "objects": numpy.array(["x", "y"], dtype=object),
            "after": "the arrays",
        },
        path("arrays.joblib"),
    )
    with open(path("scalers.json"), "w") as file:
        json.dump({"rows": new.tolist(), "scalers": expected}, file, indent=1)
        file.write("\n")


def make_keras():
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import h5py
    import keras
    import numpy

    keras.utils.set_random_seed(1)
    first = keras.Input((3,), name="size")
    second = keras.Input((2,), dtype="int32", name="kind")
    embedded = keras.layers.Flatten()(keras.layers.Embedding(5, 4, name="words")(second))
    joined = keras.layers.Concatenate()([first, embedded])
    hidden = keras.layers.Dense(6, activation="relu", name="hidden")(joined)
    hidden = keras.layers.BatchNormalization(name="norm")(hidden)
    model = keras.Model([first, second], keras.layers.Dense(2, name="out")(hidden))
    for weight in model.weights:
        count = int(numpy.prod(weight.shape))
        weight.assign(numpy.arange(count, dtype="float32").reshape(weight.shape) / 4)
    model.save(path("keras.h5"))
    model.save_weights(path("keras.weights.h5"))

    # What Keras 2 wrote by way of an older HDF5: the oldest form of the format, names in one
    # array of bytes, and names of weights that end in ":0".
    with h5py.File(path("keras-2.h5"), "w", libver=("earliest", "v108")) as file:
        file.attrs["keras_version"] = b"2.15.0"
        file.attrs["backend"] = b"tensorflow"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential"}).encode()
        weights = file.create_group("model_weights")
        names = numpy.array([b"dense", b"flatten", b"gru"])
        weights.attrs["layer_names"] = names
        for name in names:
            layer = weights.create_group(name)
            if name == b"flatten":
                layer.attrs["weight_names"] = []
                continue
            parts = numpy.array([name + b"/kernel:0", name + b"/bias:0"])
            # Keras cuts long lists of names into several attributes.
            if name == b"gru":
                layer.attrs["weight_names0"], layer.attrs["weight_names1"] = parts[:1], parts[1:]
            else:
                layer.attrs["weight_names"] = parts
            layer.create_dataset(parts[0], data=numpy.arange(6, dtype="<f4").reshape(2, 3))
            layer.create_dataset(parts[1], data=numpy.arange(3, dtype="<f2"))

    # One layer, small enough for the fuzzer.
    with h5py.File(path("tiny.h5"), "w") as file:
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = numpy.array([b"d"])
        layer = weights.create_group("d")
        layer.attrs["weight_names"] = numpy.array([b"k"])
        layer.create_dataset("k", data=numpy.arange(3, dtype="<f4"))

    # More than one message of HDF5 can hold, 64 KiB: the configuration, which lies in a heap of its
    # own, and the names of a layer's weights, which Keras cuts into several attributes.
    inner = keras.Sequential([keras.Input((1,))], name="inner")
    for number in range(40):
        inner.add(keras.layers.Dense(1, name=f"layer-{number}-{'x' * 1000}"))
    long = keras.Sequential([keras.Input((1,)), inner, keras.layers.Dense(1, name="last")])
    for number, weight in enumerate(long.weights):
        weight.assign(numpy.full(weight.shape, number, "float32"))
    long.save(path("keras-long.h5"))

    # The newer form, as h5py writes it with a `libver` of its own; then a group of more than eight
    # and a long attribute, which have yet another form.
    def newer(name, count, libver):
        with h5py.File(path(name), "w", libver=libver) as file:
            file.attrs["keras_version"] = b"3.0.0"
            weights = file.create_group("model_weights")
            names = [f"layer{number}" for number in range(count)]
            weights.attrs["layer_names"] = names
            for number, layer in enumerate(names):
                group = weights.create_group(layer)
                group.attrs["weight_names"] = [b"kernel"]
                group.create_dataset("kernel", data=numpy.full((2, 2), number, "<f4"))

    newer("newer-v108.h5", 8, ("v108", "v108"))
    newer("newer-v110.h5", 8, ("v110", "v110"))
    newer("newer-latest.h5", 8, "latest")
    newer("newer-many.h5", 9, "latest")
    with h5py.File(path("newer-attributes.h5"), "w", libver="latest") as file:
        file.attrs["model_config"] = numpy.bytes_(b"x" * 70_000)
        file.create_dataset("values", data=numpy.arange(3, dtype="<f4"))

    def plain(name, file_options={}, **options):
        with h5py.File(path(name), "w", **file_options) as file:
            data = numpy.arange(64, dtype="<f4").reshape(8, 8)
            file.create_dataset("values", data=data, **options)

    plain("chunked.h5", chunks=(4, 4))
    plain("gzip.h5", chunks=(4, 4), compression="gzip")
    plain("external.h5", external=[("values.raw", 0, 256)])
    os.remove("values.raw")
    plain("user-block.h5", {"userblock_size": 512})
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    with h5py.File(path("compact.h5"), "w") as file:
        space = h5py.h5s.create_simple((3,))
        values = h5py.h5d.create(file.id, b"values", h5py.h5t.IEEE_F32LE, space, compact)
        values.write(h5py.h5s.ALL, h5py.h5s.ALL, numpy.arange(3, dtype="<f4"))
    with h5py.File(path("virtual.h5"), "w", libver="latest") as file:
        layout = h5py.VirtualLayout((8, 8), "<f4")
        layout[:] = h5py.VirtualSource("chunked.h5", "values", (8, 8))
        file.create_virtual_dataset("values", layout)
    with h5py.File(path("named-type.h5"), "w") as file:
        file["kind"] = numpy.dtype("<f4")
        file.create_dataset("values", (3,), file["kind"], data=numpy.arange(3, dtype="<f4"))
    with h5py.File(path("types.h5"), "w") as file:
        for kind in ("f8", "f4", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
            file.create_dataset(f"kinds/{kind}", data=numpy.arange(3).astype(f"<{kind}"))
        file.create_dataset("scalar", data=numpy.float32(7.25))
        file.create_dataset("empty", shape=(0, 4), dtype="<f4")
        file.create_dataset("big-endian", data=numpy.arange(3, dtype=">f4"))
        file.create_dataset("texts", data=["a", "b"])
        file.create_dataset("unwritten", shape=(4,), dtype="<f4")
        file["link"] = h5py.SoftLink("/scalar")
        file["elsewhere"] = h5py.ExternalLink("chunked.h5", "/values")
        file["kinds/loop"] = h5py.SoftLink("/kinds")


def make_xgboost():
    import numpy
    import pandas
    import xgboost

    random = numpy.random.default_rng(1)
    rows = random.normal(size=(200, 4)).round(3)
    rows[random.random(rows.shape) < 0.1] = numpy.nan
    label = numpy.nan_to_num(rows[:, 0] + rows[:, 1] * rows[:, 2])
    table = pandas.DataFrame(rows, columns=["a", "b", "c", "größe"])
    kinds = [f"kind {number:02}" for number in random.integers(0, 40, 200)]
    table["kind"] = pandas.Categorical(kinds)

    def train(name, data, label, **parameters):
        parameters = {"max_depth": 3, "seed": 1, "nthread": 1} | parameters
        matrix = xgboost.DMatrix(data, label, enable_categorical=True)
        booster = xgboost.train(parameters, matrix, num_boost_round=4)
        for form in ("json", "ubj"):
            booster.save_model(path(f"xgb-{name}.{form}"))

    train("regression", table.iloc[:, :4], label)
    train("binary", rows, label > 0, objective="binary:logistic")
    train("classes", rows, (label > 0) + (label > 1) * 1.0, objective="multi:softprob", num_class=3)
    train("categories", table, label + table["kind"].cat.codes % 3, max_cat_to_onehot=1)
    train("dart", rows, label, booster="dart", rate_drop=0.5)
    train("targets", rows, numpy.stack([label, -label], axis=1))
    train("linear", rows, label, booster="gblinear")
    train(
        "vector", rows, numpy.stack([label, -label], axis=1), multi_strategy="multi_output_tree",
        tree_method="hist",
    )


PARTS = {
    name.removeprefix("make_"): part for name, part in list(globals().items())
    if name.startswith("make_")
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART")
    os.makedirs(FOLDER, exist_ok=True)
    for name in parser.parse_args().parts or PARTS:
        PARTS[name]()
        print(f"made: {name}", file=sys.stderr)


if __name__ == "__main__":
    main()
