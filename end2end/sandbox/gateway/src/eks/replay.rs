//! Client request tokens: a repeated request gets the answer of the first, as EKS promises. The emulator ignores them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::Call;
use crate::answer::AwsError;

/// How many answers are remembered; EKS remembers them for a day at least.
const REMEMBERED: usize = 4096;

struct Answered {
    key: String,
    cluster: String,
    body: Value,
    answer: Value,
}

/// Answers given to requests with a token.
#[derive(Default)]
pub struct Answers(Mutex<VecDeque<Answered>>);

impl Answers {
    /// The answer that this very request got before.
    ///
    /// # Errors
    /// When its token was used for another request.
    pub fn earlier(&self, call: &Call<'_>) -> Result<Option<Value>, AwsError> {
        let Some(key) = key(call) else { return Ok(None) };
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match answers.iter().find(|answered| answered.key == key) {
            Some(answered) if answered.body == call.body => Ok(Some(answered.answer.clone())),
            Some(_) => Err(AwsError::invalid_parameter("The clientRequestToken was used for a request with other parameters")),
            None => Ok(None),
        }
    }

    /// Remembers the answer to a request.
    pub fn remember(&self, call: &Call<'_>, answer: &Value) {
        let Some(key) = key(call) else { return };
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() == REMEMBERED {
            answers.pop_front();
        }
        let cluster = match call.route.cluster.as_str() {
            "" => call.body["name"].as_str().unwrap_or_default().to_owned(),
            cluster => cluster.to_owned(),
        };
        answers.push_back(Answered { key, cluster, body: call.body.clone(), answer: answer.clone() });
    }
}

impl Answers {
    /// Forgets the answers about a cluster from which something was removed: they may tell of what is no longer there.
    pub fn forget(&self, cluster: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|answered| answered.cluster != cluster);
    }
}

/// What makes a request the same: who, what, on what, and the token.
fn key(call: &Call<'_>) -> Option<String> {
    let token = call.body["clientRequestToken"].as_str()?;
    Some([&call.principal.identity_arn, call.route.action, &call.route.cluster, &call.route.item, token].join("\n"))
}
