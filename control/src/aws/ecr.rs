//! ECR: repositories, their images, and what a tag points at.

use aws_config::SdkConfig;
use aws_sdk_ecr::{
    Client,
    types::{DescribeImagesFilter, ImageDetail, ImageIdentifier, TagStatus},
};
use domain::{Code, Rejected, Timestamp, account::Image, names::Digest};
use time::OffsetDateTime;

use super::rejected;

/// The most that are read of a registry or a repository; beyond it a list would be incomplete without saying so.
const MAX_LISTED: usize = 10_000;
const PAGE: i32 = 1000;

/// A repository, as ECR has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    pub name: String,
    /// Where a node pulls from.
    pub uri: String,
}

/// Every repository of the account's registry in the configuration's region.
///
/// # Errors
/// `aws_denied`, `aws_unavailable`.
pub async fn repositories(config: &SdkConfig) -> Result<Vec<Repository>, Rejected> {
    let mut found = Vec::new();
    let mut pages = Client::new(config).describe_repositories().max_results(PAGE).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| rejected(error, "list the repositories"))?;
        found.extend(page.repositories().iter().filter_map(|repository| Some(Repository { name: repository.repository_name()?.into(), uri: repository.repository_uri()?.into() })));
        refuse_endless(found.len(), "repositories in this registry")?;
    }
    Ok(found)
}

/// One repository; none when ECR has no such.
///
/// # Errors
/// `aws_denied`, `aws_unavailable`.
pub async fn repository(config: &SdkConfig, name: &str) -> Result<Option<Repository>, Rejected> {
    let answer = Client::new(config).describe_repositories().repository_names(name).send().await;
    let answer = match answer {
        Err(error) if error.as_service_error().is_some_and(|error| error.is_repository_not_found_exception()) => return Ok(None),
        other => other.map_err(|error| rejected(error, "look at the repository"))?,
    };
    let found = answer.repositories().first();
    Ok(found.and_then(|repository| Some(Repository { name: repository.repository_name()?.into(), uri: repository.repository_uri()?.into() })))
}

/// The tagged images of a repository; none when ECR has no such repository.
///
/// # Errors
/// `aws_denied`, `aws_unavailable`.
pub async fn images(config: &SdkConfig, repository: &str) -> Result<Option<Vec<Image>>, Rejected> {
    let tagged = DescribeImagesFilter::builder().tag_status(TagStatus::Tagged).build();
    let mut found = Vec::new();
    let mut pages = Client::new(config).describe_images().repository_name(repository).filter(tagged).max_results(PAGE).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = match page {
            Err(error) if error.as_service_error().is_some_and(|error| error.is_repository_not_found_exception()) => return Ok(None),
            other => other.map_err(|error| rejected(error, "list the images"))?,
        };
        found.extend(page.image_details().iter().filter_map(image));
        refuse_endless(found.len(), "images in this repository")?;
    }
    Ok(Some(found))
}

/// What a tag came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// It points at this image; this is where a node pulls it from.
    Image {
        digest: Digest,
        uri: String,
    },
    NoRepository,
    NoTag,
}

/// Finds out what a tag points at now.
///
/// # Errors
/// `aws_denied`, `aws_unavailable`.
pub async fn resolve(config: &SdkConfig, name: &str, tag: &str) -> Result<Resolved, Rejected> {
    let (found, digest) = tokio::try_join!(repository(config, name), digest(config, name, tag))?;
    Ok(match (found, digest) {
        (None, _) => Resolved::NoRepository,
        (Some(_), None) => Resolved::NoTag,
        (Some(repository), Some(digest)) => Resolved::Image { digest, uri: repository.uri },
    })
}

async fn digest(config: &SdkConfig, repository: &str, tag: &str) -> Result<Option<Digest>, Rejected> {
    let answer = Client::new(config).describe_images().repository_name(repository).image_ids(ImageIdentifier::builder().image_tag(tag).build()).send().await;
    let answer = match answer {
        Err(error) if error.as_service_error().is_some_and(|error| error.is_image_not_found_exception() || error.is_repository_not_found_exception()) => return Ok(None),
        other => other.map_err(|error| rejected(error, "look up the image"))?,
    };
    let Some(digest) = answer.image_details().first().and_then(ImageDetail::image_digest) else { return Ok(None) };
    Digest::parse(digest).map(Some).map_err(|_| Rejected::new(Code::AwsUnavailable, "ECR answered with a digest that is none.").with_raw(digest))
}

fn image(detail: &ImageDetail) -> Option<Image> {
    let pushed_at = detail.image_pushed_at().and_then(|at| OffsetDateTime::from_unix_timestamp(at.secs()).ok());
    Some(Image { digest: detail.image_digest()?.into(), tags: detail.image_tags().to_vec(), pushed_at: pushed_at.map(Timestamp), size_bytes: detail.image_size_in_bytes() })
}

fn refuse_endless(found: usize, what: &str) -> Result<(), Rejected> {
    match found {
        0..=MAX_LISTED => Ok(()),
        _ => Err(Rejected::new(Code::AwsUnavailable, format!("There are more than {MAX_LISTED} {what}, more than Slipway lists. Name the repository and the tag instead."))),
    }
}
