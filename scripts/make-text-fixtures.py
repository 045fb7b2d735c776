#!/usr/bin/env python3
"""Makes Tests/Fixtures/text: tiny models with random weights, and what the real libraries say.

Needs `tokenizers` 0.15, `transformers` 4.36, `safetensors` and PyTorch 1.13, which is Debian's
python3-torch:

    python3 -m venv --system-site-packages venv
    venv/bin/pip install 'transformers==4.36.2' 'safetensors<0.5'
    venv/bin/python scripts/make-text-fixtures.py

The trainers of `tokenizers` break ties at random, so every run makes other vocabularies, and with
them other answers: all of the folder belongs together.
"""

import json
import os
import shutil

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (BertConfig, BertForSequenceClassification, BertModel, DistilBertConfig,
                          DistilBertForSequenceClassification, DistilBertModel, MPNetConfig,
                          MPNetForSequenceClassification, MPNetModel, RobertaConfig,
                          RobertaForSequenceClassification, RobertaModel, AutoTokenizer)
from safetensors.torch import save_file
from text_samples import samples

ROOT = os.path.join(os.path.dirname(__file__), "..", "Tests", "Fixtures", "text")
TEXTS = [
    "The quick brown fox jumps over the lazy dog.", "a", "Ein Satz mit Umlauten: äöü ß.",
    "Good morning! How are you?", "12 345 numbers, and 'quotes' aren't rare",
    "word " * 40, "日本語 and English", "<s> literal </s> [CLS] tokens <pad> here <mask>",
    "one two three four five six seven eight nine ten " * 3, "!",
]


def wordpiece(size, frame, lowercase=True):
    names = {"bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
             "mpnet": ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]}[frame]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=names,
                                        limit_alphabet=size // 3)
    tokenizer.train_from_iterator(samples() + TEXTS, trainer)
    first, last = ("[CLS]", "[SEP]") if frame == "bert" else ("<s>", "</s>")
    ids = (first, tokenizer.token_to_id(first)), (last, tokenizer.token_to_id(last))
    if frame == "bert":
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first} $A {last}", special_tokens=list(ids))
    else:
        tokenizer.post_processor = processors.RobertaProcessing(ids[1], ids[0])
    return tokenizer


def byte_pairs(size, prefix_space=False):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(samples() + TEXTS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", tokenizer.token_to_id("</s>")), ("<s>", tokenizer.token_to_id("<s>")))
    return tokenizer


def write(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=None, separators=(",", ":"))
        file.write("\n")


def rounded(tensor):
    return [[float("%.7g" % value) for value in row] for row in tensor.tolist()]


def mean(hidden):
    return hidden.mean(dim=1)


def make(name, model, tokenizer, answer, *, limit, dtype=torch.float32, rename=lambda n: n,
         files="json", extra=None):
    """Writes a folder, and what `answer(model, ids)` gives for each text."""
    folder = os.path.join(ROOT, name)
    os.makedirs(folder)
    model.eval()
    model.to(dtype).to(torch.float32)  # Weights lose digits before the answers are made.
    config = model.config.to_dict()
    config["architectures"] = [type(model).__name__]
    write(folder, "config.json", {key: config[key] for key in sorted(config) if config[key] not in
                                  (None, [], {}, False)})
    tensors = {rename(key): value.to(dtype).contiguous() for key, value
               in model.state_dict().items() if value.is_floating_point()}
    save_file(tensors, os.path.join(folder, "model.safetensors"))
    if files == "json":
        with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as file:
            file.write(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False,
                                  separators=(",", ":")) + "\n")
        tokenizer.enable_truncation(limit)
        ids = [encoding.ids for encoding in tokenizer.encode_batch(TEXTS)]
    else:
        tokenizer.model.save(folder)
        write(folder, "tokenizer_config.json", {"model_max_length": limit} if files == "limit"
              else {"model_max_length": int(1e30)})
        # What these files leave open (RoBERTa's mask takes the blank before it), the family says.
        family = AutoTokenizer.from_pretrained(folder)
        ids = family(TEXTS, truncation=True, max_length=limit)["input_ids"]
    with torch.no_grad():
        answers = [answer(model, torch.tensor([row]))[0] for row in ids]
    write(folder, "expected.json", {"texts": TEXTS, "ids": ids, "answers": rounded(
        torch.stack(answers))})
    if extra:
        extra(folder)


def pooled(model, ids):
    return mean(model(ids).last_hidden_state)


def probabilities(model, ids):
    return torch.softmax(model(ids).logits, dim=1)


def sigmoids(model, ids):
    return torch.sigmoid(model(ids).logits)


LABELS = {"id2label": {0: "bad", 1: "fair", 2: "good"},
          "label2id": {"bad": 0, "fair": 1, "good": 2}}


def old_names(name):
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
        "LayerNorm.bias", "LayerNorm.beta")


def small(**more):
    return dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
                initializer_range=0.3, hidden_dropout_prob=0.0, **more)


def bert():
    torch.manual_seed(1)
    for name, dtype in (("bert", torch.float32), ("bert-fp16", torch.float16),
                        ("bert-bf16", torch.bfloat16)):
        torch.manual_seed(1)
        tokenizer = wordpiece(300, "bert")
        config = BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=64,
                            **small())
        make(name, BertModel(config), tokenizer, pooled, limit=64, dtype=dtype)
    tokenizer = wordpiece(300, "bert", lowercase=False)
    config = BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=64,
                        **small(), **LABELS)
    make("bert-classifier", BertForSequenceClassification(config), tokenizer, probabilities,
         limit=64, rename=old_names)


def roberta():
    torch.manual_seed(2)
    tokenizer = byte_pairs(400)
    config = RobertaConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=66,
                           type_vocab_size=1, layer_norm_eps=1e-5, **small())
    make("roberta", RobertaModel(config), tokenizer, pooled, limit=64)
    config = RobertaConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=66,
                           type_vocab_size=1, hidden_act="gelu_new", **small(), **LABELS)
    make("roberta-classifier", RobertaForSequenceClassification(config), tokenizer, probabilities,
         limit=32, files="limit")


def distilbert():
    torch.manual_seed(3)
    tokenizer = wordpiece(300, "bert")
    size = dict(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=64, dim=24,
                n_layers=2, n_heads=2, hidden_dim=40, initializer_range=0.3)
    make("distilbert", DistilBertModel(DistilBertConfig(**size)), tokenizer, pooled, limit=64,
         files="txt")
    config = DistilBertConfig(problem_type="multi_label_classification", **size, **LABELS)
    make("distilbert-classifier", DistilBertForSequenceClassification(config), tokenizer, sigmoids,
         limit=64)


def mpnet():
    torch.manual_seed(4)
    tokenizer = wordpiece(300, "mpnet")
    config = MPNetConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=258,
                         pad_token_id=1, bos_token_id=0, eos_token_id=2, **small())

    def answer(model, ids):
        vector = torch.cat([model(ids).last_hidden_state[:, 0],
                            model(ids).last_hidden_state.max(dim=1).values], dim=1)
        return torch.nn.functional.normalize(torch.tanh(wide(vector)), dim=1)

    wide = torch.nn.Linear(48, 10)

    def modules(folder):
        kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"),
                 ("3_Normalize", "Normalize")]
        write(folder, "modules.json", [
            {"idx": index, "name": str(index), "path": path,
             "type": f"sentence_transformers.models.{kind}"}
            for index, (path, kind) in enumerate(kinds)])
        for path, _ in kinds[1:3]:
            os.makedirs(os.path.join(folder, path))
        write(folder, "1_Pooling/config.json", {
            "word_embedding_dimension": 24, "pooling_mode_cls_token": True,
            "pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True})
        write(folder, "2_Dense/config.json", {
            "in_features": 48, "out_features": 10, "bias": True,
            "activation_function": "torch.nn.modules.activation.Tanh"})
        save_file({f"linear.{key}": value.detach().contiguous()
                   for key, value in wide.state_dict().items()},
                  os.path.join(folder, "2_Dense", "model.safetensors"))
        write(folder, "sentence_bert_config.json", {"max_seq_length": 256})

    # Attention over distances beyond the last bucket needs a long text.
    TEXTS.append("alpha beta gamma delta " * 60)
    make("mpnet", MPNetModel(config), tokenizer, answer, limit=256, extra=modules)
    config = MPNetConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=66,
                         pad_token_id=1, bos_token_id=0, eos_token_id=2, **small(), **LABELS)
    TEXTS.pop()
    make("mpnet-classifier", MPNetForSequenceClassification(config), tokenizer, probabilities,
         limit=64)


def tokenizers_alone():
    """Larger vocabularies, and the ids of all samples."""
    made = {"wordpiece": wordpiece(1200, "bert"), "wordpiece-cased": wordpiece(900, "bert", False),
            "byte-level": byte_pairs(1400), "byte-level-prefix": byte_pairs(800, True)}
    folder = os.path.join(ROOT, "tokenizers")
    os.makedirs(folder)
    write(folder, "texts.json", samples())
    for name, tokenizer in made.items():
        with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
            file.write(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False,
                                  separators=(",", ":")) + "\n")
        write(folder, name + ".ids.json",
              [encoding.ids for encoding in tokenizer.encode_batch(samples())])


def ranges(numbers):
    """Numbers as pairs of first and last."""
    pairs = []
    for number in numbers:
        if pairs and pairs[-1][1] == number - 1:
            pairs[-1][1] = number
        else:
            pairs.append([number, number])
    return pairs


def character_classes():
    """What the library makes of every character."""
    normalize = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    strip = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False,
                                       strip_accents=True, lowercase=False)
    lower = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False,
                                       strip_accents=False, lowercase=True)
    cut, words = pre_tokenizers.BertPreTokenizer(), pre_tokenizers.ByteLevel(add_prefix_space=False)
    classes = {key: [] for key in ("dropped", "space", "ideograph", "punctuation", "accent",
                                   "letter", "number", "wordSpace")}
    stripped, lowered = [], []
    for number in range(0x110000):
        if 0xd800 <= number < 0xe000:
            continue
        character = chr(number)
        made = normalize.normalize_str(f"a{character}b")
        # The blank itself is white space that stays as it is: the order of these two matters.
        kind = {f"a{character}b": None, "ab": "dropped", "a b": "space"}.get(made, "ideograph")
        if kind:
            classes[kind].append(number)
        if len(cut.pre_tokenize_str(f"a{character}b")) == 3:
            classes["punctuation"].append(number)
        for key, beside in (("letter", "a"), ("number", "1"), (None, "!"), ("wordSpace", "")):
            if key == "wordSpace" or len(words.pre_tokenize_str(beside + character)) == 1:
                if key:
                    classes[key].append(number)
                break
        rest = strip.normalize_str(character)
        if rest == "":
            classes["accent"].append(number)
        elif rest != character and not 0xac00 <= number < 0xd7a4:
            stripped.append([number] + [ord(part) for part in rest])
        small_form = lower.normalize_str(character)
        if small_form != character:
            lowered.append([number] + [ord(part) for part in small_form])
    write(ROOT, "characters.json", {
        "stripped": stripped, "lowered": lowered,
        **{key: ranges(numbers) for key, numbers in classes.items()}})


def main():
    shutil.rmtree(ROOT, ignore_errors=True)
    os.makedirs(ROOT)
    torch.set_num_threads(1)
    bert()
    roberta()
    distilbert()
    mpnet()
    tokenizers_alone()
    character_classes()


main()
