//! May this principal do that? The emulator does not enforce policies for EKS and ECR, but it can evaluate them.

use serde_json::Value;

use crate::cloud::{Cloud, CloudError};
use crate::principals::Principal;
use crate::xml;

const IAM: &str = "2010-05-08";

/// One action on one resource.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Service and action as IAM names them, such as `eks:DescribeCluster`.
    pub action: String,
    /// The resource's ARN, or `*` for an action without one.
    pub resource: String,
    /// Condition keys and values the service supplies.
    pub context: Vec<(String, Vec<String>)>,
}

impl Wish {
    /// A wish without service-supplied conditions.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: Vec::new() }
    }

    /// Adds the tags of a create call as `aws:RequestTag/…` and `aws:TagKeys`.
    pub fn with_request_tags(mut self, tags: &[(String, String)]) -> Self {
        for (key, value) in tags {
            self.context.push((format!("aws:RequestTag/{key}"), vec![value.clone()]));
        }
        if !tags.is_empty() {
            self.context.push(("aws:TagKeys".into(), tags.iter().map(|(key, _)| key.clone()).collect()));
        }
        self
    }

    /// Adds the tags of an existing resource as `aws:ResourceTag/…`.
    pub fn with_resource_tags(mut self, tags: &Value) -> Self {
        for (key, value) in tags.as_object().into_iter().flatten() {
            if let Some(value) = value.as_str() {
                self.context.push((format!("aws:ResourceTag/{key}"), vec![value.to_owned()]));
            }
        }
        self
    }
}

/// What IAM says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go ahead.
    Allowed,
    /// Refused, with AWS's sentence.
    Denied(String),
}

/// Asks the emulator's policy evaluation whether `principal` may have its wish.
///
/// # Errors
/// When the emulator cannot be asked; nothing is allowed then.
pub async fn authorize(cloud: &Cloud, principal: &Principal, wish: &Wish) -> Result<Verdict, CloudError> {
    if principal.is_root() {
        return Ok(Verdict::Allowed);
    }
    let mut parameters = vec![("PolicySourceArn".to_owned(), principal.identity_arn.clone())];
    append_wish(&mut parameters, wish);
    let answer = cloud.query("iam", IAM, "SimulatePrincipalPolicy", &parameters).await?;
    let verdict = verdict_of(&answer, principal, wish, "identity-based");
    if verdict != Verdict::Allowed {
        return Ok(verdict);
    }
    // A session policy can only take away: each has to allow the wish too.
    for policy in &principal.session_policies {
        let mut parameters = vec![("PolicyInputList.member.1".to_owned(), policy.clone())];
        append_wish(&mut parameters, wish);
        let answer = cloud.query("iam", IAM, "SimulateCustomPolicy", &parameters).await?;
        let verdict = verdict_of(&answer, principal, wish, "session");
        if verdict != Verdict::Allowed {
            return Ok(verdict);
        }
    }
    Ok(Verdict::Allowed)
}

fn append_wish(parameters: &mut Vec<(String, String)>, wish: &Wish) {
    parameters.push(("ActionNames.member.1".into(), wish.action.clone()));
    parameters.push(("ResourceArns.member.1".into(), wish.resource.clone()));
    for (index, (name, values)) in wish.context.iter().enumerate() {
        let entry = format!("ContextEntries.member.{}", index + 1);
        parameters.push((format!("{entry}.ContextKeyName"), name.clone()));
        parameters.push((format!("{entry}.ContextKeyType"), if values.len() > 1 { "stringList" } else { "string" }.into()));
        for (index, value) in values.iter().enumerate() {
            parameters.push((format!("{entry}.ContextKeyValues.member.{}", index + 1), value.clone()));
        }
    }
}

fn verdict_of(answer: &str, principal: &Principal, wish: &Wish, kind: &str) -> Verdict {
    let reason = match xml::first(answer, "EvalDecision").as_deref() {
        Some("allowed") => return Verdict::Allowed,
        Some("explicitDeny") => "with an explicit deny in an identity-based policy".to_owned(),
        // Anything but an explicit yes is a no, an answer that cannot be read too.
        _ => format!("because no {kind} policy allows the {} action", wish.action),
    };
    let Wish { action, resource, .. } = wish;
    Verdict::Denied(format!("User: {} is not authorized to perform: {action} on resource: {resource} {reason}", principal.arn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_answer_denies() {
        let principal = Principal { arn: "arn:aws:iam::1:user/a".into(), ..Principal::root("1") };
        let wish = Wish::new("eks:DescribeCluster", "arn:aws:eks:r:1:cluster/lab");
        let Verdict::Denied(sentence) = verdict_of("<broken", &principal, &wish, "identity-based") else { panic!("allowed") };
        assert_eq!(
            sentence,
            "User: arn:aws:iam::1:user/a is not authorized to perform: eks:DescribeCluster on resource: \
             arn:aws:eks:r:1:cluster/lab because no identity-based policy allows the eks:DescribeCluster action"
        );
        assert_eq!(verdict_of("<r><EvalDecision>allowed</EvalDecision></r>", &principal, &wish, "session"), Verdict::Allowed);
    }

    #[test]
    fn request_tags_are_conditions() {
        let wish = Wish::new("ecr:CreateRepository", "*").with_request_tags(&[("team".into(), "a".into())]);
        assert_eq!(wish.context[0], ("aws:RequestTag/team".to_owned(), vec!["a".to_owned()]));
        assert_eq!(wish.context[1].0, "aws:TagKeys");
    }
}
