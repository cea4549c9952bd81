#!/usr/bin/env python3
"""Converts a scikit-learn or XGBoost model to ONNX: to_onnx.py MODEL OUT.onnx [--features N]

MODEL: .joblib, .pkl, .pickle (scikit-learn, pipelines, XGBoost's scikit-learn classes), .json or .ubj (XGBoost's own format).
Opening a pickle runs code that its writer put into it: use it on files that you trust, in an environment of your own.
Needs tools/models/requirements.txt. Classifiers give `label` and `probabilities` as plain tensors (no maps).
"""

import argparse
import os
import sys

# ONNX opset that the runtime of this project and the converters both know.
OPSET = 17


def fail(message):
    print(f"to_onnx: {message}", file=sys.stderr)
    sys.exit(1)


def open_model(path):
    ending = os.path.splitext(path)[1].lower()
    if ending in (".json", ".ubj"):
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(path)
        objective = booster.save_config()
        kind = xgboost.XGBClassifier if '"binary:' in objective or '"multi:' in objective else xgboost.XGBRegressor
        model = kind()
        model.load_model(path)
        return model
    if ending in (".joblib", ".pkl", ".pickle"):
        import joblib

        return joblib.load(path)
    fail(f"`{ending}` is no ending of a model that is known: .joblib, .pkl, .pickle, .json, .ubj")


def feature_count(model, given):
    if given:
        return given
    count = getattr(model, "n_features_in_", None)
    if count is None:
        fail("the model does not say how many features it takes: give --features N")
    return int(count)


def register_xgboost():
    """Teaches skl2onnx XGBoost's classes, also as steps of a pipeline."""
    try:
        import xgboost
    except ImportError:
        return
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    update_registered_converter(
        xgboost.XGBClassifier,
        "XGBoostXGBClassifier",
        calculate_linear_classifier_output_shapes,
        convert_xgboost,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    update_registered_converter(
        xgboost.XGBRegressor, "XGBoostXGBRegressor", calculate_linear_regressor_output_shapes, convert_xgboost
    )


def convert(model, features):
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    register_xgboost()
    # Maps are no tensors; a classifier's options stand under the id of the estimator that is asked last.
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    options = {id(last): {"zipmap": False}} if hasattr(last, "predict_proba") else {}
    return to_onnx(
        model,
        initial_types=[("input", FloatTensorType([None, features]))],
        options=options,
        target_opset={"": OPSET, "ai.onnx.ml": 3},
    )


def main():
    parser = argparse.ArgumentParser(description="scikit-learn or XGBoost to ONNX")
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--features", type=int, default=0)
    words = parser.parse_args()
    try:
        model = open_model(words.model)
        onnx = convert(model, feature_count(model, words.features))
    except ImportError as missing:
        fail(f"{missing}; install tools/models/requirements.txt")
    with open(words.out, "wb") as out:
        out.write(onnx.SerializeToString())
    names = ", ".join(output.name for output in onnx.graph.output)
    print(f"to_onnx: {type(model).__name__} -> {words.out}: outputs {names}", file=sys.stderr)


if __name__ == "__main__":
    main()
