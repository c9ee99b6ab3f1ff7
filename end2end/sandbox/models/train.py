"""Trains the sandbox's models and writes them, with what a caller needs to know, next to this file.

    python3 -m venv /tmp/train && /tmp/train/bin/pip install -r requirements.txt
    /tmp/train/bin/python train.py

Every model is honest: fitted on a part of a public data set that ships with
scikit-learn and scored on the rest. The same versions of the libraries write
the same bytes. Only operators that tract knows are used: it has no linear
operators of ai.onnx.ml, so linear models are written as a matrix product.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent
OPSET = [helper.make_opsetid("", 17)]
SEED = 7

# Rows between versicolor and virginica that the two versions of iris answer
# differently; version 2 is right about both.
IRIS_DISPUTED = [[7.0, 3.2, 4.7, 1.4], [5.8, 2.7, 5.1, 1.9]]


def linear_graph(name, coefficients, intercept, classes):
    """A matrix product and a sum; with a softmax and the likeliest class when it classifies."""
    width, out = coefficients.shape
    weights = [
        numpy_helper.from_array(coefficients.astype(np.float32), "weights"),
        numpy_helper.from_array(intercept.astype(np.float32), "bias"),
    ]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, width])
    scores = "scores" if classes else "prediction"
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], [scores]),
    ]
    if classes:
        nodes += [
            helper.make_node("ArgMax", [scores], ["label"], axis=1, keepdims=0),
            helper.make_node("Softmax", [scores], ["probabilities"], axis=1),
        ]
        outputs = [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, out]),
        ]
    else:
        outputs = [helper.make_tensor_value_info(scores, TensorProto.FLOAT, [None, out])]
    graph = helper.make_graph(nodes, name, [features], outputs, weights)
    return helper.make_model(graph, opset_imports=OPSET, ir_version=8, producer_name="train.py")


def unscaled(pipeline):
    """Coefficients and intercept of a scaled linear model, as they apply to raw features."""
    scaler, linear = pipeline[0], pipeline[-1]
    coefficients = np.atleast_2d(linear.coef_) / scaler.scale_
    intercept = np.atleast_1d(linear.intercept_) - coefficients @ scaler.mean_
    return coefficients.T, intercept


def describe_features(names, units, data, integers=()):
    """What a form needs for each feature: label, unit, the range seen and a middle value."""
    described = []
    for column, name in enumerate(names):
        values = data[:, column]
        described.append(
            {
                "name": name,
                "unit": units[column],
                "minimum": round(float(values.min()), 2),
                "maximum": round(float(values.max()), 2),
                "default": round(float(np.median(values)), 2),
                "step": 1 if name in integers else 0.1,
            }
        )
    return described


def answer(model, rows):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"features": np.array(rows, dtype=np.float32)})))


def tensor(name, datatype, values):
    values = np.asarray(values)
    return {
        "name": name,
        "datatype": datatype,
        "shape": list(values.shape),
        "data": [round(float(v), 4) if datatype == "FP32" else int(v) for v in values.ravel()],
    }


def write(folder, model, card, row):
    """Writes the model, and its card with a self-test: one row and the answer it has to give."""
    onnx.checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    answers = answer(model, [row])
    first = next(iter(answers))
    datatype = "INT64" if answers[first].dtype == np.int64 else "FP32"
    card["self_test"] = {
        "inputs": [tensor("features", "FP32", [row])],
        "outputs": [tensor(first, datatype, answers[first])],
    }
    (folder / "model.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    print(f"{path.relative_to(HERE)}: {path.stat().st_size} bytes")


def iris():
    data = load_iris()
    train_x, test_x, train_y, test_y = train_test_split(
        data.data, data.target, test_size=0.3, random_state=SEED, stratify=data.target
    )
    names = [name.removesuffix(" (cm)") for name in data.feature_names]
    classes = [str(name) for name in data.target_names]
    features = describe_features(names, ["cm"] * 4, data.data)

    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(train_x, train_y)
    forest = RandomForestClassifier(25, max_depth=4, random_state=SEED).fit(train_x, train_y)
    versions = {
        "1": ("logistic regression", linear, linear_graph("iris", *unscaled(linear), classes)),
        "2": (
            "random forest of 25 trees",
            forest,
            to_onnx(
                forest,
                initial_types=[("features", FloatTensorType([None, 4]))],
                options={"zipmap": False},
                target_opset={"": 17, "ai.onnx.ml": 3},
            ),
        ),
    }
    graphs = {}
    for version, (method, fitted, model) in versions.items():
        accuracy = fitted.score(test_x, test_y)
        model.graph.name = "iris"
        agrees = (answer(model, test_x)["label"] == fitted.predict(test_x)).all()
        assert agrees, f"iris {version}: the ONNX model answers differently from the fitted one"
        print(f"iris {version}: {method}, accuracy {accuracy:.3f} on {len(test_y)} rows it has not seen")
        card = {
            "name": "iris",
            "version": version,
            "file": "model.onnx",
            "parameters": {
                "title": "Iris species",
                "description": "Tells the species of an iris from the size of its sepals and petals.",
                "method": method,
                "accuracy": round(accuracy, 3),
            },
            "inputs": {"features": {"features": features}},
            "outputs": {"label": {"labels": classes}, "probabilities": {"labels": classes}},
        }
        write(HERE / "iris" / version, model, card, [5.1, 3.5, 1.4, 0.2])
        graphs[version] = model
    for row in IRIS_DISPUTED:
        said = {v: classes[answer(m, [row])["label"][0]] for v, m in graphs.items()}
        assert said["1"] != said["2"], f"the versions agree on {row}: {said}"
        print(f"iris {row}: version 1 says {said['1']}, version 2 says {said['2']}")


def diabetes():
    data = load_diabetes(scaled=False)
    train_x, test_x, train_y, test_y = train_test_split(
        data.data, data.target, test_size=0.3, random_state=SEED
    )
    names = [
        "age", "sex", "body mass index", "blood pressure", "total cholesterol", "low-density lipoproteins",
        "high-density lipoproteins", "cholesterol ratio", "log of triglycerides", "blood sugar",
    ]
    units = ["years", "1 or 2", "kg/m²", "mm Hg", "mg/dl", "mg/dl", "mg/dl", "", "", "mg/dl"]
    whole = {"age", "sex", "total cholesterol", "blood sugar"}

    fitted = make_pipeline(StandardScaler(), Ridge()).fit(train_x, train_y)
    model = linear_graph("diabetes", *unscaled(fitted), None)
    worst = np.abs(answer(model, test_x)["prediction"].ravel() - fitted.predict(test_x)).max()
    assert worst < 0.01, f"diabetes: the ONNX model is off by {worst}"
    score = fitted.score(test_x, test_y)
    print(f"diabetes 1: ridge regression, R² {score:.3f} on {len(test_y)} rows it has not seen")
    card = {
        "name": "diabetes",
        "version": "1",
        "file": "model.onnx",
        "parameters": {
            "title": "Diabetes progression",
            "description": "Estimates how far diabetes progresses within a year, from ten baseline measurements.",
            "method": "ridge regression",
            "r_squared": round(score, 3),
        },
        "inputs": {"features": {"features": describe_features(names, units, data.data, whole)}},
        "outputs": {"prediction": {"labels": ["progression"]}},
    }
    write(HERE / "diabetes" / "1", model, card, [float(v) for v in data.data[0]])


if __name__ == "__main__":
    iris()
    diabetes()
