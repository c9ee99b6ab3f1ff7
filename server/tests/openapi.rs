//! The document is part of the contract: a change of it is a visible diff.

#[test]
fn the_document_is_the_one_we_publish() {
    insta::assert_json_snapshot!("openapi", server::rest::document::openapi());
}

#[test]
fn every_operation_is_named_tagged_and_says_how_it_fails() {
    let document = serde_json::to_value(server::rest::document::openapi()).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no operation id"));
            assert!(names.insert(name.to_owned()), "{name} is there twice");
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name} has no summary");
            assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{name} has no tag");
            let problem = &operation["responses"]["default"]["content"];
            assert!(problem.get("application/problem+json").is_some(), "{name} does not say how it fails");
        }
    }
    assert!(!names.is_empty());
}
