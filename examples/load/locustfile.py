"""The mix of `tidegate load normal` for Locust: text detection single and batch, embeddings, history, statistics.

Use    locust -f locustfile.py --host http://127.0.0.1:8000 --headless --users 50 --spawn-rate 50 --run-time 60s
       TIDEGATE_KEY   a key, where the server wants one
       REPEATS        share of the questions that were asked before (0.72)
       REQUESTS       a file of `tidegate generate`: its requests, in order, instead of the ones made here
"""

import itertools
import json
import os
import random

from locust import FastHttpUser, constant, task

KEY = os.environ.get("TIDEGATE_KEY", "")
REPEATS = float(os.environ.get("REPEATS", "0.72"))
HOT_KEYS = 1000
HEADERS = {"Authorization": f"Bearer {KEY}"} if KEY else {}
NOUNS = "harbour window report teacher river machine garden letter evening question market bridge".split()
VERBS = "watched carried followed described repaired forgot remembered painted measured explained".split()


def read_requests(path):
    if not path:
        return None
    with open(path, encoding="utf-8") as lines:
        return itertools.cycle([json.loads(line) for line in lines])


RECORDED = read_requests(os.environ.get("REQUESTS", ""))


def prose(key, length):
    """The same text for the same key, of about so many characters."""
    dice = random.Random(key)
    text = ""
    wanted = length * dice.uniform(0.4, 2.5)
    while len(text) < wanted:
        text += f"The {dice.choice(NOUNS)} {dice.choice(VERBS)} a {dice.choice(NOUNS)}. "
    return text


class Questions:
    """Numbers of questions: with probability REPEATS one of the earlier ones, else the next."""

    def __init__(self):
        self.count = 0

    def next(self):
        if self.count and random.random() < REPEATS:
            return int(min(self.count, HOT_KEYS) ** random.random()) - 1
        self.count += 1
        return self.count - 1


SINGLE, BATCH, EMBED = Questions(), Questions(), Questions()


class Caller(FastHttpUser):
    wait_time = constant(0)

    def ask(self, method, path, body=None):
        with self.rest(method, path, json=body, headers=HEADERS, name=path.split("?")[0]) as answer:
            if answer.status_code >= 400:
                answer.failure(f"status {answer.status_code}")

    @task(35)
    def detect_text(self):
        self.replay() or self.ask("POST", "/api/v1/detect/text", {"text": prose(SINGLE.next(), 800)})

    @task(5)
    def detect_batch(self):
        key = BATCH.next()
        items = [{"item_id": str(i), "text": prose(key * 8 + i, 400)} for i in range(2 + key % 7)]
        self.replay() or self.ask("POST", "/api/v1/batch/text", {"items": items})

    @task(5)
    def embed(self):
        body = {"model": "tidegate-hash-embed-1", "input": prose(EMBED.next(), 200)}
        self.replay() or self.ask("POST", "/v1/embeddings", body)

    @task(5)
    def history(self):
        self.replay() or self.ask("GET", f"/api/v1/analyze/history?limit={random.choice([10, 20, 50])}")

    @task(3)
    def stats(self):
        self.replay() or self.ask("GET", "/api/v1/analyze/stats")

    @task(2)
    def statistics(self):
        self.replay() or self.ask("GET", "/api/compliance/statistics")

    def replay(self):
        if RECORDED is None:
            return False
        one = next(RECORDED)
        self.ask(one["method"], one["target"], one.get("body"))
        return True
