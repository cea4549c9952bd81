"""make.py FOLDER: trains classic models on a table that is computed here, and writes for each what its own library answers.

FOLDER/NAME.joblib (one also as XGBoost's NAME.json), FOLDER/rows.json (an inference request with 500 rows), FOLDER/NAME.txt (500 lines of
predict_proba, two numbers each).
"""

import json
import sys

import joblib
import numpy as np
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

folder = sys.argv[1]
random = np.random.default_rng(7)
x = random.normal(size=(800, 12)).astype(np.float32)
y = (x[:, 0] * x[:, 1] + 0.5 * x[:, 2] + 0.3 * random.normal(size=800) > 0).astype(int)
models = {
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    "forest": RandomForestClassifier(25, random_state=1),
    "boosted": xgboost.XGBClassifier(n_estimators=25, max_depth=4),
}
asked = random.normal(size=(500, 12)).astype(np.float32)
for name, model in models.items():
    model.fit(x, y)
    joblib.dump(model, f"{folder}/{name}.joblib")
    np.savetxt(f"{folder}/{name}.txt", model.predict_proba(asked), fmt="%.9g")
models["boosted"].save_model(f"{folder}/boosted_json.json")
np.savetxt(f"{folder}/boosted_json.txt", models["boosted"].predict_proba(asked), fmt="%.9g")
with open(f"{folder}/rows.json", "w") as out:
    tensor = {"name": "input", "shape": [500, 12], "datatype": "FP32", "data": [float(v) for v in asked.ravel()]}
    json.dump({"inputs": [tensor], "outputs": [{"name": "probabilities"}]}, out)
