//! Reads that are made to learn whether they are allowed.

use std::error::Error as StdError;

use aws_config::SdkConfig;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use domain::{Code, Rejected};

use super::rejected;

/// Lists clusters; gives the name of one, if there is any.
///
/// # Errors
/// `aws_denied`, `aws_unavailable`; so for every function here.
pub async fn list_clusters(config: &SdkConfig) -> Result<Option<String>, Rejected> {
    let answer = aws_sdk_eks::Client::new(config).list_clusters().max_results(1).send().await.map_err(|error| rejected(error, "list clusters"))?;
    Ok(answer.clusters().first().cloned())
}

/// Looks at a cluster.
pub async fn describe_cluster(config: &SdkConfig, name: &str) -> Result<(), Rejected> {
    allowed(aws_sdk_eks::Client::new(config).describe_cluster().name(name).send().await, "look at a cluster")
}

/// Lists repositories; gives the name of one, if there is any.
pub async fn describe_repositories(config: &SdkConfig) -> Result<Option<String>, Rejected> {
    let answer = aws_sdk_ecr::Client::new(config).describe_repositories().max_results(1).send().await.map_err(|error| rejected(error, "list repositories"))?;
    Ok(answer.repositories().first().and_then(|repository| repository.repository_name()).map(str::to_owned))
}

/// Lists a repository's images.
pub async fn describe_images(config: &SdkConfig, repository: &str) -> Result<(), Rejected> {
    allowed(aws_sdk_ecr::Client::new(config).describe_images().repository_name(repository).max_results(1).send().await, "list images")
}

/// A refusal for another reason than rights, such as a thing that vanished meanwhile, comes after the rights were checked.
fn allowed<T, E, R>(answer: Result<T, SdkError<E, R>>, what: &str) -> Result<(), Rejected>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match answer {
        Ok(_) => Ok(()),
        Err(SdkError::ServiceError(service)) if matches!(service.err().code(), Some("ResourceNotFoundException" | "RepositoryNotFoundException")) => Ok(()),
        Err(error) => Err(rejected(error, what)),
    }
}

/// The same, but never waits for one read longer than the rest of a check may take.
///
/// # Errors
/// Those of the read; `aws_unavailable` when it took too long.
pub async fn within<T>(limit: std::time::Duration, read: impl Future<Output = Result<T, Rejected>>) -> Result<T, Rejected> {
    match tokio::time::timeout(limit, read).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Rejected::new(Code::AwsUnavailable, format!("AWS did not answer within {} seconds.", limit.as_secs()))),
    }
}
