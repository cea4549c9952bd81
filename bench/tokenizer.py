#!/usr/bin/env python3
"""Our tokenizer and the Python package `tokenizers` on the same texts, one thread each, by turns.

  bash tests/model_text/fetch.sh build/tokenizers-venv && ninja -C build/release bench_tokenizer
  build/tokenizers-venv/bin/python bench/tokenizer.py build/release/bench/bench_tokenizer bench/results/tokenizer.json

Short texts are sentences of 3 to 25 words, long ones some 1,500; a third of the words is not ASCII in the sets that say so. The Python
package is called once a text (`encode`), as a service calls it for each request; `batch` is its encode_batch on one thread, which spares the
calls. Each figure is the median of the rounds; a ratio is the median of the ratios of rounds that follow each other.
"""
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import tokenizers  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "model_text"))
from reference import WORDS, build, text  # noqa: E402

ROUNDS = 9
PLAIN = [word for word in WORDS if word.isascii() and not word.startswith(("[", "<"))]
OTHER = [word for word in WORDS if not word.isascii()]


def texts(rng, count, low, high, mixed):
    return [" ".join(rng.choice(OTHER if mixed and rng.random() < 0.33 else PLAIN) for _ in range(rng.randrange(low, high))) for _ in range(count)]


def python_seconds(tokenizer, list_of_texts, batch):
    begin = time.perf_counter()
    tokens = 0
    if batch:
        tokens = sum(len(one.ids) for one in tokenizer.encode_batch(list_of_texts))
    else:
        for one in list_of_texts:
            tokens += len(tokenizer.encode(one).ids)
    return time.perf_counter() - begin, tokens


def measure(program, folder, tokenizer, list_of_texts):
    with open(os.path.join(folder, "texts"), "w") as out:
        out.writelines(json.dumps(one) + "\n" for one in list_of_texts)
    rows = []
    for _ in range(ROUNDS):
        single, tokens = python_seconds(tokenizer, list_of_texts, False)
        batch, _ = python_seconds(tokenizer, list_of_texts, True)
        done = subprocess.run([program, os.path.join(folder, "tokenizer.json"), os.path.join(folder, "texts"), "3"], check=True, capture_output=True, text=True)
        ours = [line.split() for line in done.stdout.splitlines()]
        assert all(int(line[2]) == tokens for line in ours), "the two count tokens differently"
        rows.append((single, batch, statistics.median(float(line[0]) for line in ours), statistics.median(float(line[1]) for line in ours)))
    middle = [statistics.median(column) for column in zip(*rows)]
    us = 1e6 / len(list_of_texts)
    return {"texts": len(list_of_texts), "tokens_per_text": round(tokens / len(list_of_texts), 1),
            "python_encode_us": round(middle[0] * us, 2), "python_batch_us": round(middle[1] * us, 2), "ours_us": round(middle[2] * us, 2),
            "ours_ids_only_us": round(middle[3] * us, 2),
            "ratio_encode": round(statistics.median(row[0] / row[2] for row in rows), 2),
            "ratio_batch": round(statistics.median(row[1] / row[2] for row in rows), 2)}


def main(program, result):
    rng = random.Random(3)
    made = build([text(rng, list(range(0x20, 0x500))) for _ in range(2000)] + WORDS * 20)
    sets = {"short": texts(rng, 4000, 3, 25, False), "short, a third not ASCII": texts(rng, 4000, 3, 25, True),
            "long": texts(rng, 60, 1400, 1600, False), "long, a third not ASCII": texts(rng, 60, 1400, 1600, True)}
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("minilm", "roberta"):
            made[name].save(os.path.join(folder, "tokenizer.json"))
            for label, list_of_texts in sets.items():
                rows["%s, %s" % (name, label)] = measure(program, folder, made[name], list_of_texts)
    with open(result, "w") as out:
        json.dump({"command": "build/tokenizers-venv/bin/python bench/tokenizer.py build/release/bench/bench_tokenizer bench/results/tokenizer.json",
                   "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "python": platform.python_version(), "tokenizers": tokenizers.__version__,
                   "rounds": ROUNDS, "load_at_the_end": [round(x, 2) for x in os.getloadavg()], "note": "microseconds a text; ratio: their time by ours",
                   "rows": rows}, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
