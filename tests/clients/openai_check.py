#!/usr/bin/env python3
"""OpenAI's Python client against the server: openai_check.py PORT MODEL KEY. Ends with 0 and `ok N` when N things held."""
import sys

import numpy as np
import openai

held = 0


def hold(what, condition):
    global held
    if not condition:
        sys.exit(f"does not hold: {what}")
    held += 1


port, model, key = sys.argv[1:]
client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0)
hold("list", model in [one.id for one in client.models.list()])
hold("one", client.models.retrieve(model).object == "model")
floats = client.embeddings.create(model=model, input="the tide comes in", encoding_format="float")
preset = client.embeddings.create(model=model, input="the tide comes in")  # base64 on the wire
hold("one vector", len(floats.data) == 1 and floats.data[0].index == 0 and floats.model == model)
hold("base64 is the same", np.array_equal(np.float32(floats.data[0].embedding), np.float32(preset.data[0].embedding)))
hold("usage", floats.usage.prompt_tokens == floats.usage.total_tokens > 0)
several = client.embeddings.create(model=model, input=["the tide comes in", "a tree", "the tide"])
hold("order", [one.index for one in several.data] == [0, 1, 2])
width = len(floats.data[0].embedding)
hold("alone or in company", max(abs(a - b) for a, b in zip(several.data[0].embedding, floats.data[0].embedding)) < 1e-5)
short = client.embeddings.create(model=model, input="the tide", dimensions=2).data[0].embedding
hold("dimensions", len(short) == 2 < width and abs(sum(x * x for x in short) - 1) < 1e-4)
for kind, call in [
    (openai.NotFoundError, lambda: client.embeddings.create(model="nothing", input="x")),
    (openai.BadRequestError, lambda: client.embeddings.create(model=model, input=[])),
    (openai.BadRequestError, lambda: client.embeddings.create(model=model, input="x", dimensions=width + 1)),
    (openai.NotFoundError, lambda: client.models.retrieve("nothing")),
    (openai.NotFoundError, lambda: client.chat.completions.create(model=model, messages=[])),
]:
    try:
        call()
        sys.exit(f"was not refused: {kind}")
    except kind as error:
        hold(str(error), error.body["type"] == "invalid_request_error" and error.body["message"])
print("ok", held)
