#!/usr/bin/env python3
# seconds: 60
"""Weights: safetensors maps them straight from the mount, and finds every number."""

import os

from suite import Skip, equal, expect, main, promise, read, wait_for, write

NAME = "acme/model"


def prepare(stage):
    try:
        import numpy
        from safetensors.numpy import save_file
    except ImportError as error:
        raise Skip(f"{error}: scripts/venv.sh installs it") from error
    generator = numpy.random.default_rng(7)
    stage.tensors = {
        f"layer.{index}.{kind}": generator.standard_normal(shape, dtype="float32").astype(type)
        for index in range(6)
        for kind, shape, type in (("weight", (512, 768), "float32"),
                                  ("half", (256, 512), "float16"), ("bias", (768,), "float32"))}
    folder = stage.path("source")
    os.makedirs(folder)
    save_file(stage.tensors, folder + "/model.safetensors", metadata={"format": "np"})
    write(folder + "/config.json", "{}")
    hub = stage.hub()
    hub.add(NAME, folder, "--tag", "v1")
    hub.start()
    stage.server = hub
    stage.source = folder + "/model.safetensors"
    stage.tree = stage.mount(hub).start("--prefetch", "none")
    stage.file = f"{stage.tree.path}/{NAME}@v1/model.safetensors"


@promise("S32", "A mapping is as good as a read")
def one_tensor_costs_its_bytes(stage):
    from safetensors import safe_open
    size = os.path.getsize(stage.file)
    with safe_open(stage.file, framework="numpy") as weights:
        equal(sorted(weights.keys()), sorted(stage.tensors))
        found = weights.get_tensor("layer.3.bias")
    expect((found == stage.tensors["layer.3.bias"]).all(), "the tensor differs")
    expect(stage.tree.fetched() < size, "all was fetched for one tensor")


@promise("S32", "A mapping is as good as a read")
def all_tensors_are_equal(stage):
    from safetensors import safe_open
    with safe_open(stage.file, framework="numpy") as weights:
        for name, wanted in stage.tensors.items():
            found = weights.get_tensor(name)
            equal((found.dtype, found.shape), (wanted.dtype, wanted.shape), name)
            expect((found == wanted).all(), name)


@promise("S32", "A mapping is as good as a read")
def another_process_maps_them(stage):
    code = ("import sys, numpy\nfrom safetensors import safe_open\n"
            "with safe_open(sys.argv[1], framework='numpy') as weights:\n"
            "    print(sum(float(numpy.abs(weights.get_tensor(name).astype('float64')).sum())"
            " for name in sorted(weights.keys())))\n")
    sums = {stage.python(code, path).communicate(timeout=30)[0]
            for path in (stage.file, stage.source)}
    equal(len(sums), 1, "sums")
    expect(sums != {""}, "no sum")
    expect(read(stage.file) == read(stage.source), "bytes differ")


@promise("S36", "user.modelfs.verified says what is known")
def weights_are_proven_when_complete(stage):
    wait_for(lambda: os.getxattr(stage.file, "user.modelfs.verified").endswith(b"sha256"),
             5, "the proof")


main(__name__, prepare)
