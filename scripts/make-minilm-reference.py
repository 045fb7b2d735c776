#!/usr/bin/env python3
"""Makes scripts/minilm-reference.json: what transformers and PyTorch say of a few sentences.

    make-minilm-reference.py MODEL_FOLDER

Needs what scripts/make-text-fixtures.py needs. Mean of the last hidden states over the tokens,
normalised, as the model's modules.json says.
"""

import json
import os
import sys

import torch
from transformers import AutoModel, AutoTokenizer

SENTENCES = ["A sentence", "The quick brown fox jumps over the lazy dog.",
             "Über den Wolken muß die Freiheit wohl grenzenlos sein.", "12 345 €"]


def main():
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    model = AutoModel.from_pretrained(sys.argv[1]).eval()
    rows = []
    for sentence in SENTENCES:
        with torch.inference_mode():
            hidden = model(**tokenizer(sentence, return_tensors="pt")).last_hidden_state
        vector = torch.nn.functional.normalize(hidden.mean(1))[0]
        rows.append({"text": sentence, "embedding": [round(each, 8) for each in vector.tolist()]})
    place = os.path.join(os.path.dirname(os.path.abspath(__file__)), "minilm-reference.json")
    with open(place, "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()
