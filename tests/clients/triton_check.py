#!/usr/bin/env python3
"""NVIDIA's own client against the server: triton_check.py PORT. Ends with 0 and `ok N` when N things held."""
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

held = 0


def hold(what, condition):
    global held
    if not condition:
        sys.exit(f"does not hold: {what}")
    held += 1


def refused(what, status, call):
    try:
        call()
    except InferenceServerException as error:
        hold(f"{what}: {error}", error.status() == status and error.message())
        return
    sys.exit(f"was not refused: {what}")


client = triton.InferenceServerClient(f"127.0.0.1:{sys.argv[1]}", concurrency=4)
hold("live", client.is_server_live())
hold("ready", client.is_server_ready())
hold("model ready", client.is_model_ready("linear"))
hold("version ready", client.is_model_ready("linear", "1"))
hold("no such model", not client.is_model_ready("nothing"))
hold("server metadata", "binary_tensor_data" in client.get_server_metadata()["extensions"])
metadata = client.get_model_metadata("linear")
hold("model metadata", metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}])
config = client.get_model_config("linear")
hold("config", config["max_batch_size"] >= 1 and config["input"][0]["data_type"] == "TYPE_FP32")
index = client.get_model_repository_index()
hold("index", any(one["name"] == "linear" and one["state"] == "READY" for one in index))

rows = np.arange(12, dtype=np.float32).reshape(3, 4)
for binary_in in (True, False):
    for binary_out in (True, False):
        tensor = triton.InferInput("x", rows.shape, "FP32")
        tensor.set_data_from_numpy(rows, binary_data=binary_in)
        wanted = triton.InferRequestedOutput("y", binary_data=binary_out)
        result = client.infer("linear", [tensor], outputs=[wanted], request_id="r 1")
        hold("linear", np.array_equal(result.as_numpy("y"), rows.sum(axis=1, keepdims=True) + 1))
        hold("id", result.get_response()["id"] == "r 1")
tensor = triton.InferInput("x", rows.shape, "FP32")
tensor.set_data_from_numpy(rows)
hold("all outputs", client.infer("linear", [tensor]).as_numpy("y").shape == (3, 1))

types = [np.bool_, np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64, np.float16, np.float32, np.float64]
for kind in types:
    name = np_to_triton_dtype(np.dtype(kind))
    values = np.array([[0, 1, 1]], dtype=kind)
    if np.issubdtype(kind, np.integer):
        values = np.array([[np.iinfo(kind).min, 7, np.iinfo(kind).max]], dtype=kind)
    for binary in (True, False):
        if kind is np.float16 and not binary:
            continue  # The client knows FP16 as bytes only.
        tensor = triton.InferInput("x", values.shape, name)
        tensor.set_data_from_numpy(values, binary_data=binary)
        out = triton.InferRequestedOutput("y", binary_data=binary)
        answer = client.infer("same_" + name.lower(), [tensor], outputs=[out]).as_numpy("y")
        hold(f"{name} binary={binary}", answer.dtype == kind and np.array_equal(answer, values))

texts = np.array([["tide", "", "\u00e4\u20ac"]], dtype=object)
for binary in (True, False):
    tensor = triton.InferInput("x", texts.shape, "BYTES")
    tensor.set_data_from_numpy(texts, binary_data=binary)
    out = triton.InferRequestedOutput("y", binary_data=binary)
    answer = client.infer("same_bytes", [tensor], outputs=[out]).as_numpy("y")
    hold("BYTES", [one.decode() if isinstance(one, bytes) else one for one in answer[0]] == list(texts[0]))

best = triton.InferRequestedOutput("y", class_count=2)
tensor = triton.InferInput("x", (1, 3), "FP32")
tensor.set_data_from_numpy(np.array([[1, 9, 3]], dtype=np.float32))
top = client.infer("same_fp32", [tensor], outputs=[best]).as_numpy("y")
hold("classes", [str(one, "utf-8") if isinstance(one, bytes) else one for one in top.flatten()] == ["9:1", "3:2"])

pending = []
for i in range(64):
    tensor = triton.InferInput("x", (1, 4), "FP32")
    tensor.set_data_from_numpy(np.full((1, 4), i, dtype=np.float32))
    pending.append(client.async_infer("linear", [tensor]))
hold("async", [one.get_result().as_numpy("y")[0][0] for one in pending] == [4 * i + 1 for i in range(64)])

stats = client.get_inference_statistics("linear")["model_stats"][0]
hold("statistics", stats["inference_stats"]["success"]["count"] >= 69 and stats["batch_stats"])

wrong = triton.InferInput("x", (1, 5), "FP32")
wrong.set_data_from_numpy(np.zeros((1, 5), dtype=np.float32))
refused("shape", "400", lambda: client.infer("linear", [wrong]))
refused("model", "404", lambda: client.infer("nothing", [tensor]))
refused("load in this mode", "409", lambda: client.load_model("linear"))
print("ok", held)
