//! The protocol, asked of the real models through the real router.

mod common;

use axum::http::StatusCode;
use common::{Asked, serve};
use serde_json::{Value, json};

fn row(values: &[f64]) -> Value {
    json!({ "inputs": [{ "name": "features", "datatype": "FP32", "shape": [1, values.len()], "data": values }] })
}

fn output<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let outputs = answer["outputs"].as_array().expect("an answer has outputs");
    outputs.iter().find(|output| output["name"] == name).expect("the output is answered")
}

#[tokio::test]
async fn each_version_of_iris_knows_the_three_species() {
    for version in ["1", "2"] {
        let iris = serve(&format!("iris/{version}")).await;
        for (species, flower) in [(0, [5.1, 3.5, 1.4, 0.2]), (1, [5.7, 2.8, 4.1, 1.3]), (2, [7.7, 2.6, 6.9, 2.3])] {
            let Asked { status, body } = iris.post("/v2/models/iris/infer", &row(&flower)).await;
            assert_eq!(status, StatusCode::OK, "{body}");
            assert_eq!(body["model_name"], "iris");
            assert_eq!(body["model_version"], version);
            assert_eq!(output(&body, "label")["data"], json!([species]), "version {version} on {flower:?}");
            assert_eq!(output(&body, "label")["datatype"], "INT64");
            let chances: Vec<f64> = serde_json::from_value(output(&body, "probabilities")["data"].clone()).unwrap();
            assert_eq!(output(&body, "probabilities")["shape"], json!([1, 3]));
            assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{chances:?}");
            assert!(chances[species] > 0.5, "{chances:?}");
        }
    }
}

#[tokio::test]
async fn the_versions_of_iris_answer_the_disputed_rows_differently() {
    let (one, two) = (serve("iris/1").await, serve("iris/2").await);
    for (flower, first, second) in [([7.0, 3.2, 4.7, 1.4], 2, 1), ([5.8, 2.7, 5.1, 1.9], 1, 2)] {
        for (iris, expected) in [(&one, first), (&two, second)] {
            let Asked { body, .. } = iris.post("/v2/models/iris/infer", &row(&flower)).await;
            assert_eq!(output(&body, "label")["data"], json!([expected]), "{flower:?}");
        }
    }
}

#[tokio::test]
async fn diabetes_estimates_a_number() {
    let diabetes = serve("diabetes/1").await;
    let patient = [59.0, 2.0, 32.1, 101.0, 157.0, 93.2, 38.0, 4.0, 4.8598, 87.0];
    let Asked { status, body } = diabetes.post("/v2/models/diabetes/infer", &row(&patient)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let progression = output(&body, "prediction")["data"][0].as_f64().unwrap();
    assert!((progression - 207.27).abs() < 0.1, "{progression}");
}

#[tokio::test]
async fn several_rows_flat_or_nested_are_answered_in_order() {
    let iris = serve("iris/2").await;
    let rows = [[5.1, 3.5, 1.4, 0.2], [7.7, 2.6, 6.9, 2.3]];
    for data in [json!(rows), json!(rows.concat())] {
        let request = json!({
            "id": "two rows",
            "inputs": [{ "name": "features", "datatype": "FP32", "shape": [2, 4], "data": data }],
            "outputs": [{ "name": "label" }],
        });
        let Asked { status, body } = iris.post("/v2/models/iris/versions/2/infer", &request).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["id"], "two rows");
        assert_eq!(output(&body, "label")["data"], json!([0, 2]));
        assert_eq!(body["outputs"].as_array().unwrap().len(), 1, "only the wanted output is answered");
    }
}

#[tokio::test]
async fn metadata_tells_enough_to_draw_a_form() {
    let iris = serve("iris/1").await;
    let Asked { status, body } = iris.get("/v2/models/iris").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["versions"], json!(["1"]));
    assert_eq!(body["platform"], "onnx_onnxv1");
    let input = &body["inputs"][0];
    assert_eq!(input["name"], "features");
    assert_eq!(input["datatype"], "FP32");
    assert_eq!(input["shape"], json!([-1, 4]));
    let features = input["parameters"]["features"].as_array().unwrap();
    assert_eq!(features.len(), 4);
    assert_eq!(features[2]["name"], "petal length");
    assert_eq!(features[2]["unit"], "cm");
    assert_eq!(features[2]["minimum"], 1.0);
    let label = &body["outputs"][0];
    assert_eq!(label["name"], "label");
    assert_eq!(label["shape"], json!([-1]));
    assert_eq!(label["parameters"]["labels"], json!(["setosa", "versicolor", "virginica"]));
    assert_eq!(body["outputs"][1]["shape"], json!([-1, 3]));
}

#[tokio::test]
async fn a_wrong_request_is_refused_and_names_the_input() {
    let iris = serve("iris/2").await;
    let features = |name: &str, datatype: &str, shape: Value, data: Value| json!({ "inputs": [{ "name": name, "datatype": datatype, "shape": shape, "data": data }] });
    let good = json!([5.1, 3.5, 1.4, 0.2]);
    let twice = {
        let mut request = row(&[5.1, 3.5, 1.4, 0.2]);
        let first = request["inputs"][0].clone();
        request["inputs"].as_array_mut().unwrap().push(first);
        request
    };
    let cases = [
        (features("features", "FP64", json!([1, 4]), good.clone()), "\"features\" has datatype FP64, not FP32"),
        (features("features", "BOOL", json!([1, 4]), good.clone()), "\"features\" has datatype BOOL, not FP32"),
        (features("features", "FP32", json!([1, 3]), json!([1, 2, 3])), "\"features\" has shape [1, 3], not [-1, 4]"),
        (features("features", "FP32", json!([4]), good.clone()), "\"features\" has shape [4], not [-1, 4]"),
        (features("features", "FP32", json!([0, 4]), json!([])), "\"features\" has shape [0, 4]"),
        (features("features", "FP32", json!([-1, 4]), good.clone()), "\"features\" has shape [-1, 4]"),
        (features("features", "FP32", json!([2, 4]), good.clone()), "\"features\" has 4 values, but its shape [2, 4] needs 8"),
        (features("features", "FP32", json!([i64::MAX, 4]), good.clone()), "which is too large"),
        (features("features", "FP32", json!([1, 4]), json!([1, "two", 3, 4])), "\"features\" has \"two\" as value 1"),
        (features("features", "FP32", json!([1, 4]), json!([1e300, 2, 3, 4])), "as value 0, which does not fit"),
        (features("features", "FP32", json!([1, 4]), json!([[1, 2], [3, 4]])), "nested differently from its shape"),
        (features("features", "FP32", json!([1, 4]), json!("flower")), "\"features\" has data that is not a list"),
        (features("petals", "FP32", json!([1, 4]), good), "there is no input \"petals\": this model takes features"),
        (json!({ "inputs": [] }), "input \"features\" is missing"),
        (twice, "input \"features\" is given twice"),
        (json!({ "rows": 1 }), "missing field `inputs`"),
    ];
    for (request, why) in cases {
        let Asked { status, body } = iris.post("/v2/models/iris/infer", &request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{request}: {body}");
        let error = body["error"].as_str().unwrap();
        assert!(error.contains(why), "{request}: {error}");
    }
    let mut unknown_output = row(&[5.1, 3.5, 1.4, 0.2]);
    unknown_output["outputs"] = json!([{ "name": "colour" }]);
    let Asked { status, body } = iris.post("/v2/models/iris/infer", &unknown_output).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("there is no output \"colour\"")));
}

#[tokio::test]
async fn what_is_not_here_is_not_found() {
    let iris = serve("iris/2").await;
    for path in ["/v2/models/tulip", "/v2/models/iris/versions/1", "/v2/models/iris/ready/now", "/v1"] {
        let Asked { status, body } = iris.get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(body["error"].is_string(), "{path}: {body}");
    }
    let Asked { status, body } = iris.get("/v2/models/iris/infer").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(body["error"].is_string(), "{body}");
}

#[tokio::test]
async fn health_and_about_are_answered() {
    let iris = serve("iris/2").await;
    for path in ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/iris/ready", "/v2/models/iris/versions/2/ready"] {
        assert_eq!(iris.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(iris.get("/v2").await.body["name"], "model-server");
}

#[tokio::test]
async fn metrics_count_answers_and_refusals() {
    let iris = serve("iris/2").await;
    iris.post("/v2/models/iris/infer", &row(&[5.1, 3.5, 1.4, 0.2])).await;
    iris.post("/v2/models/iris/infer", &row(&[5.1, 3.5, 1.4, 0.2])).await;
    iris.post("/v2/models/iris/infer", &row(&[5.1])).await;
    let text = iris.text("/metrics").await;
    for line in [
        "inference_requests_total{model_name=\"iris\",model_version=\"2\",code=\"200\"} 2",
        "inference_requests_total{model_name=\"iris\",model_version=\"2\",code=\"400\"} 1",
        "inference_request_duration_seconds_count{model_name=\"iris\",model_version=\"2\"} 3",
        "inference_request_duration_seconds_bucket{le=\"+Inf\",model_name=\"iris\",model_version=\"2\"} 3",
        "model_ready{model_name=\"iris\",model_version=\"2\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn the_repository_index_names_the_model() {
    let diabetes = serve("diabetes/1").await;
    for asked in [json!({}), json!({ "ready": true })] {
        let Asked { status, body } = diabetes.post("/v2/repository/index", &asked).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body, json!([{ "name": "diabetes", "version": "1", "state": "READY", "reason": "" }]));
    }
    assert_eq!(diabetes.post("/v2/repository/index", &json!({ "ready": "now" })).await.status, StatusCode::BAD_REQUEST);
}
