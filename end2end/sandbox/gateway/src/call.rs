//! Recognising an AWS request: whose it is, which service and action it wants.

use http::HeaderMap;
use http::request::Parts;

/// The credential scope a request is signed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The access key id.
    pub key: String,
    /// The region signed for.
    pub region: String,
    /// The service signed for, as SigV4 names it.
    pub service: String,
}

/// The prefix of ECR's target header.
pub const ECR_TARGET: &str = "AmazonEC2ContainerRegistry_V20150921.";

/// The scope in a request's `Authorization` header or, for a presigned URL, in its query.
pub fn scope(parts: &Parts) -> Option<Scope> {
    scope_in(&parts.headers, &parts.uri)
}

/// The scope of a request that is still whole.
pub fn scope_of<B>(request: &http::Request<B>) -> Option<Scope> {
    scope_in(request.headers(), request.uri())
}

fn scope_in(headers: &HeaderMap, uri: &http::Uri) -> Option<Scope> {
    let credential = match header(headers, "authorization") {
        Some(authorization) if !authorization.is_empty() => {
            let rest = authorization.strip_prefix("AWS4-HMAC-SHA256")?;
            rest.split(',').find_map(|part| part.trim().strip_prefix("Credential="))?.to_owned()
        }
        _ => query_value(uri.query().unwrap_or_default(), "X-Amz-Credential")?,
    };
    // KEY/DATE/REGION/SERVICE/aws4_request
    let mut fields = credential.split('/');
    let key = fields.next()?.to_owned();
    let _date = fields.next()?;
    let region = fields.next()?.to_owned();
    let service = fields.next()?.to_owned();
    Some(Scope { key, region, service })
}

/// Which service will answer: the target header decides before the scope, as in the emulator.
pub fn service<'a>(parts: &'a Parts, scope: &'a Scope) -> &'a str {
    match header(&parts.headers, "x-amz-target") {
        Some(target) if target.starts_with(ECR_TARGET) => "ecr",
        _ => &scope.service,
    }
}

/// A header as text.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// One decoded value of a query string.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The fields of a query-protocol call, from its form and its query string.
pub fn form(parts: &Parts, body: &[u8]) -> Vec<(String, String)> {
    let owned = |(key, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| (key.into_owned(), value.into_owned());
    form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).chain(form_urlencoded::parse(body)).map(owned).collect()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(request: http::request::Builder) -> Parts {
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_scope_is_read_from_the_header() {
        let parts =
            parts(Request::get("/clusters").header("authorization", "AWS4-HMAC-SHA256 Credential=AKIA1/20260102/eu-central-1/eks/aws4_request, SignedHeaders=host, Signature=ab"));
        let expected = Scope { key: "AKIA1".into(), region: "eu-central-1".into(), service: "eks".into() };
        assert_eq!(scope(&parts), Some(expected));
    }

    #[test]
    fn the_scope_is_read_from_a_presigned_url() {
        let parts = parts(Request::get("/?Action=GetCallerIdentity&X-Amz-Credential=AKIA1%2F20260102%2Fus-east-1%2Fsts%2Faws4_request"));
        assert_eq!(scope(&parts).map(|scope| scope.service), Some("sts".into()));
    }

    #[test]
    fn basic_credentials_are_no_scope() {
        assert_eq!(scope(&parts(Request::get("/v2/").header("authorization", "Basic QVdTOng="))), None);
    }

    #[test]
    fn an_ecr_target_under_another_scope_is_still_ecr() {
        let parts = parts(Request::post("/").header("x-amz-target", format!("{ECR_TARGET}DescribeRepositories")));
        let scope = Scope { key: "AKIA1".into(), region: "r".into(), service: "s3".into() };
        assert_eq!(service(&parts, &scope), "ecr");
    }
}
