#!/usr/bin/env python3
"""Makes the fixtures of PyTorch networks, into torch/.

Needs torch, numpy and scikit-learn's pickles (made by hand below where it is not installed). Each
case is a folder with model.pth, predictor.json and expected.json: rows and the library's outputs.
"""
import json
import pathlib

import numpy as np
import torch
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent / "torch"
ROWS = 12
torch.manual_seed(11)


def shake(module):
    """Weights as training would have left them: no zeros, no ones."""
    with torch.no_grad():
        for name, value in list(module.named_parameters()) + list(module.named_buffers()):
            if value.dtype.is_floating_point:
                value.add_(0.2 * torch.randn_like(value))
                if name.endswith("running_var"):
                    value.abs_().add_(0.5)
    module.eval()
    return module


def keep(name, module, network, rows, inputs=None, saved=None, compute=None, **more):
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(saved(module) if saved else module.state_dict(), folder / "model.pth")
    count = rows.shape[1]
    inputs = inputs or [{"name": f"x{index}"} for index in range(count)]
    with torch.no_grad():
        outputs = (compute or module)(rows)
    outputs = outputs.reshape(len(rows), -1)
    found = {"rows": rows.double().tolist(), "outputs": outputs.double().tolist()}
    (folder / "expected.json").write_text(json.dumps(found) + "\n")
    (folder / "predictor.json").write_text(json.dumps(
        {"version": 1, "inputs": inputs, "network": network, **more}, indent=2,
        ensure_ascii=False) + "\n")


class Tokens(nn.Module):
    """Features as tokens, a class token, positions, an encoder, and a head."""

    def __init__(self, features, width, heads, inner, layers, pool, **options):
        super().__init__()
        self.pool = pool
        self.weight = nn.Parameter(torch.randn(features, width))
        self.bias = nn.Parameter(torch.randn(features, width))
        self.cls = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, features + 1, width))
        norm = nn.LayerNorm(width) if options.pop("final_norm") else None
        layer = nn.TransformerEncoderLayer(width, heads, inner, 0.1, batch_first=True, **options)
        self.encoder = nn.TransformerEncoder(layer, layers, norm, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, x):
        x = x.unsqueeze(-1) * self.weight + self.bias
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1) + self.positions
        x = self.encoder(x)
        return self.head(x[:, 0] if self.pool == "cls" else x.mean(dim=1))


def tokens(name, pool, activation, norm_first, final_norm, rows, **more):
    module = shake(Tokens(6, 16, 4, 24, 2, pool, activation=activation, norm_first=norm_first,
                          final_norm=final_norm))
    # The tokeniser's two tensors are parameters of the module itself.
    module.state = lambda: {("tokens." + k if k in ("weight", "bias") else k): v
                            for k, v in module.state_dict().items()}
    network = {"layers": [
        {"kind": "feature_tokenizer", "name": "tokens", "features": 6, "width": 16},
        {"kind": "class_token", "tensor": "cls"},
        {"kind": "positional", "tensor": "positions"},
        {"kind": "transformer_encoder", "name": "encoder", "layers": 2, "width": 16, "heads": 4,
         "feedforward": 24, "activation": activation, "norm_first": norm_first,
         "final_norm": final_norm},
        {"kind": "pool", "how": pool},
        {"kind": "layernorm", "name": "head.0", "width": 16},
        {"kind": "relu"},
        {"kind": "linear", "name": "head.2", "in": 16, "out": 1}]}
    keep(name, module, network, rows, saved=lambda m: {"epoch": 3, "model_state_dict": m.state()},
         **more)


class Mixed(nn.Module):
    """Categories and numbers, residuals, recurrent layers."""

    def __init__(self):
        super().__init__()
        self.city = nn.Embedding(5, 3)
        self.trunk = nn.Linear(7, 8)
        self.norm = nn.BatchNorm1d(8)
        self.block = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 8))
        self.lstm = nn.LSTM(1, 3, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(6, 4, batch_first=True)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        city = self.city(x[:, 0].long())
        y = self.norm(self.trunk(torch.cat([city, x[:, 1:]], dim=1)))
        y = nn.functional.silu(y)
        y = y + self.block(y)
        steps, _ = self.lstm(x[:, 1:].unsqueeze(-1))
        steps, _ = self.gru(steps)
        return torch.softmax(self.head(torch.cat([y, steps[:, -1]], dim=1)), dim=1)


def mixed():
    module = shake(Mixed())
    rows = torch.randn(ROWS, 5)
    rows[:, 0] = torch.randint(0, 5, (ROWS,))
    inputs = [{"name": "city", "categories": ["Bern", "Basel", "Chur", "Genf", "Thun"]}]
    inputs += [{"name": f"x{index}"} for index in range(1, 5)]
    keep("mixed", module, {"layers": [
        {"kind": "select", "inputs": ["city"], "as": "city"},
        {"kind": "embedding", "name": "city", "count": 5, "width": 3},
        {"kind": "flatten", "as": "embedded"},
        {"kind": "select", "inputs": ["x1", "x2", "x3", "x4"], "from": "inputs", "as": "numbers"},
        {"kind": "concatenate", "from": ["embedded", "numbers"]},
        {"kind": "linear", "name": "trunk", "in": 7, "out": 8},
        {"kind": "batchnorm", "name": "norm", "width": 8},
        {"kind": "silu"},
        {"kind": "residual", "as": "wide", "layers": [
            {"kind": "linear", "name": "block.0"}, {"kind": "gelu"}, {"kind": "dropout"},
            {"kind": "linear", "name": "block.2"}]},
        {"kind": "unsqueeze", "from": "numbers"},
        {"kind": "lstm", "name": "lstm", "hidden": 3, "layers": 2, "bidirectional": True},
        {"kind": "gru", "name": "gru", "hidden": 4, "output": "last", "as": "steps"},
        {"kind": "concatenate", "from": ["wide", "steps"]},
        {"kind": "linear", "name": "head", "in": 12, "out": 3},
        {"kind": "softmax"}]}, rows, inputs, labels=["low", "middle", "high"])


def mlp():
    module = shake(nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 8),
                                 nn.ELU(), nn.Linear(8, 2)))
    mean, scale = [10.0, 20.0, 0.5, -3.0], [2.0, 5.0, 0.1, 1.5]
    target_mean, target_scale = [3.0, 100.0], [0.5, 20.0]
    rows = torch.tensor(mean) + torch.tensor(scale) * torch.randn(ROWS, 4)

    def compute(x):
        scaled = ((x.double() - torch.tensor(mean).double()) / torch.tensor(scale).double()).float()
        y = module(scaled).double() * torch.tensor(target_scale) + torch.tensor(target_mean)
        return torch.stack([torch.expm1(y[:, 0]), y[:, 1]], dim=1)

    inputs = [
        {"name": "length", "unit": "m", "range": [0, 100], "label": "Length over all"},
        {"name": "weight", "unit": "t", "range": [0, 1000]},
        {"name": "share", "range": [-1, 2]},
        {"name": "depth", "unit": "m", "range": [-20, 20]}]
    with torch.no_grad():
        first = compute(rows)[0].tolist()
    keep("mlp", module, {"weights": "model.pth", "layers": [
        {"kind": "linear", "name": "0", "in": 4, "out": 16}, {"kind": "relu"}, {"kind": "dropout"},
        {"kind": "linear", "name": "3", "in": 16, "out": 8}, {"kind": "elu"},
        {"kind": "linear", "name": "5", "in": 8, "out": 2}]}, rows, inputs, compute=compute,
        scaler={"mean": mean, "scale": scale},
        output_scaler={"mean": target_mean, "scale": target_scale},
        outputs=[{"name": "price", "unit": "EUR", "transform": "expm1"},
                 {"name": "speed", "unit": "kn"}],
        smoke={"inputs": dict(zip(["length", "weight", "share", "depth"],
                                 [round(v, 6) for v in rows[0].double().tolist()])),
               "expect": {"price": first[0], "speed": first[1]}},
        metrics=[{"name": "R²", "value": 0.93}, {"name": "MAE", "value": "1.2 kn"}])
    (HERE / "mlp" / "README.md").write_text(
        "---\nlicense: mit\nmodel-index:\n- name: ships\n  results:\n  - task:\n"
        "      type: tabular-regression\n    metrics:\n    - type: rmse\n      value: 1.9\n"
        "    - type: mae\n      name: MAE\n      value: 7\n---\n# Ships\n")


def main():
    rows = torch.randn(ROWS, 6)
    tokens("encoder", "cls", "relu", False, False, rows,
           outputs=[{"name": "sales", "unit": "pieces"}])
    tokens("encoder-norm-first", "mean", "gelu", True, True, rows)
    mixed()
    mlp()


if __name__ == "__main__":
    main()
