//! What Prometheus may read from `/metrics`.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Upper bounds in seconds: a small model answers within a millisecond, a busy one within seconds.
const BUCKETS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    model_name: String,
    model_version: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    model_name: String,
    model_version: String,
    code: u16,
}

/// The numbers of one model.
pub struct Metrics {
    registry: Registry,
    labels: ModelLabels,
    requests: Family<RequestLabels, Counter>,
    duration: Histogram,
    ready: Gauge,
    load_seconds: Gauge<f64, AtomicU64>,
}

impl Metrics {
    /// Numbers that are labelled with the model's name and version.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        let labels = ModelLabels { model_name: name.to_owned(), model_version: version.to_owned() };
        let mut registry = Registry::default();
        let requests = Family::<RequestLabels, Counter>::default();
        registry.register("inference_requests", "Inference requests, by the status they were answered with", requests.clone());
        let durations = Family::<ModelLabels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register_with_unit("inference_request_duration", "Time from a request's arrival to its answer", Unit::Seconds, durations.clone());
        let ready = Family::<ModelLabels, Gauge>::default();
        registry.register("model_ready", "1 while the model answers requests", ready.clone());
        let load = Family::<ModelLabels, Gauge<f64, AtomicU64>>::default();
        registry.register_with_unit("model_load", "Time it took to load the model", Unit::Seconds, load.clone());
        let duration = durations.get_or_create(&labels).clone();
        let ready = ready.get_or_create(&labels).clone();
        let load_seconds = load.get_or_create(&labels).clone();
        Self { registry, labels, requests, duration, ready, load_seconds }
    }

    /// Counts one inference request.
    pub fn answered(&self, code: u16, took: Duration) {
        let ModelLabels { model_name, model_version } = self.labels.clone();
        self.requests.get_or_create(&RequestLabels { model_name, model_version, code }).inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// Notes that the model answers from now on.
    pub fn loaded(&self, took: Duration) {
        self.load_seconds.set(took.as_secs_f64());
        self.ready.set(1);
    }

    /// Notes that the model answers no more.
    pub fn stopping(&self) {
        self.ready.set(0);
    }

    /// All numbers in the text format.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
