"""The peer of bench/minilm.py: all-MiniLM-L6-v2 as a Python service is usually written, FastAPI + tokenizers + onnxruntime + NumPy.

    MODEL=FOLDER THREADS=1 uvicorn --app-dir bench/peers minilm_fastapi:app --port 18491 --log-level warning

FOLDER is what models/minilm/convert.py lays out. One pass a request: what asks together is not put together. The endpoint is a plain function,
so uvicorn runs it on its pool of threads and the loop stays free; ONNX Runtime lets go of Python's lock while it computes.
"""
import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel
from tokenizers import Tokenizer

folder = os.environ["MODEL"]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(os.environ.get("THREADS", "1"))
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.path.join(folder, "1", "model.onnx"), options, providers=["CPUExecutionProvider"])
tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
tokenizer.enable_truncation(256)
tokenizer.enable_padding()
app = FastAPI()


class Question(BaseModel):
    model: str = "minilm"
    input: str | list[str]


@app.get("/live")
def live() -> dict:
    return {"onnxruntime": onnxruntime.__version__}


@app.post("/v1/embeddings")
def embeddings(question: Question) -> dict:
    texts = [question.input] if isinstance(question.input, str) else question.input
    encoded = tokenizer.encode_batch(texts)
    ids = np.array([one.ids for one in encoded], dtype=np.int64)
    mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
    types = np.array([one.type_ids for one in encoded], dtype=np.int64)
    hidden = session.run(["last_hidden_state"], {"input_ids": ids, "attention_mask": mask, "token_type_ids": types})[0]
    weights = mask[:, :, None].astype(np.float32)
    mean = (hidden * weights).sum(1) / weights.sum(1)
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    return {"object": "list", "model": question.model,
            "data": [{"object": "embedding", "index": i, "embedding": row.tolist()} for i, row in enumerate(mean)]}
