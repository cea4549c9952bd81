#!/usr/bin/env python3
"""Compares the converted model with the network written out in NumPy, double precision: check.py FOLDER [--sentences N]

1,000 sentences, seeded, some padded beside longer ones. Prints the lowest and mean cosine of the sentence vectors and ends with 1 where the
lowest is under 0.9999.
"""
import argparse
import json
import math
import os
import random
import sys

# More threads only wait for each other on matrices of this size.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

from convert import read_package, read_weights  # noqa: E402

WORDS = """the river rose three metres after heavy rain upstream and people near the old bridge were asked to leave their houses before night
a gauge sends its level every ten minutes while sensors drift slowly machine learning models answer questions about records nobody reads
music cooking football physics theorem hospital parliament ocean kitten naïve café Zürich 2026 3.14 tokyo 中文 Привет don't e-mail protein
children laugh because a small dog runs quickly under yellow trees in autumn light""".split()
FLOOR = 0.9999


GRID = np.linspace(-6, 6, 8193)
GRID_ERF = np.array([math.erf(x) for x in GRID])
GRID_SLOPE = 2 / math.sqrt(math.pi) * np.exp(-GRID ** 2)


def erf(x):
    """By cubic Hermite interpolation between 8,193 exact values: wrong by less than 1e-13."""
    step = GRID[1] - GRID[0]
    at = np.clip((x - GRID[0]) / step, 0, len(GRID) - 1.000001)
    index = at.astype(np.int64)
    t = at - index
    rest = 1 - t
    return (GRID_ERF[index] * (1 + 2 * t) * rest ** 2 + GRID_SLOPE[index] * step * t * rest ** 2
            + GRID_ERF[index + 1] * (3 - 2 * t) * t ** 2 - GRID_SLOPE[index + 1] * step * t ** 2 * rest)


class Reference:
    def __init__(self, config, weights):
        self.config = config
        self.weights = {name: value.astype(np.float64) for name, value in weights.items()}

    def dense(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def norm(self, x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred ** 2).mean(-1, keepdims=True) + self.config["layer_norm_eps"])
        return scaled * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def embed(self, ids):
        """The normalised mean of one text's tokens."""
        w = self.weights
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:len(ids)]
        x = self.norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        heads = self.config["num_attention_heads"]
        size = self.config["hidden_size"] // heads
        for layer in range(self.config["num_hidden_layers"]):
            name = "encoder.layer.%d." % layer
            q, k, v = (self.dense(x, name + "attention.self." + part).reshape(len(ids), heads, size).transpose(1, 0, 2)
                       for part in ("query", "key", "value"))
            scores = q @ k.transpose(0, 2, 1) / math.sqrt(size)
            shares = np.exp(scores - scores.max(-1, keepdims=True))
            shares /= shares.sum(-1, keepdims=True)
            mixed = (shares @ v).transpose(1, 0, 2).reshape(len(ids), heads * size)
            x = self.norm(self.dense(mixed, name + "attention.output.dense") + x, name + "attention.output.LayerNorm")
            inner = self.dense(x, name + "intermediate.dense")
            inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
            x = self.norm(self.dense(inner, name + "output.dense") + x, name + "output.LayerNorm")
        mean = x.mean(0)
        return mean / np.linalg.norm(mean)


def sentences(count):
    rng = random.Random(7)
    return [" ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 40))) + rng.choice([".", "?", "!", ""]) for _ in range(count)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--package")
    parser.add_argument("--sentences", type=int, default=1000)
    arguments = parser.parse_args()
    files = read_package(arguments.package)
    reference = Reference(json.loads(files["config.json"]), read_weights(files["model.safetensors"]))
    home = os.path.join(arguments.folder, "minilm")
    tokenizer = Tokenizer.from_file(os.path.join(home, "tokenizer.json"))
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(os.path.join(home, "1", "model.onnx"), settings, providers=["CPUExecutionProvider"])
    texts = sentences(arguments.sentences)
    cosines = []
    for at in range(0, len(texts), 8):
        batch = [tokenizer.encode(text).ids for text in texts[at:at + 8]]
        longest = max(len(ids) for ids in batch)
        ids = np.array([one + [0] * (longest - len(one)) for one in batch], np.int64)
        mask = np.array([[1] * len(one) + [0] * (longest - len(one)) for one in batch], np.int64)
        hidden = session.run(["last_hidden_state"], {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})[0]
        for row, one in enumerate(batch):
            mean = hidden[row, :len(one)].mean(0).astype(np.float64)
            cosines.append(float(mean @ reference.embed(one) / np.linalg.norm(mean)))
    print("%d sentences: lowest cosine %.9f, mean %.9f" % (len(cosines), min(cosines), sum(cosines) / len(cosines)))
    return 0 if min(cosines) >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
