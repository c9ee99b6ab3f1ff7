//! Reading the few values the gateway needs from IAM's, STS's and EC2's XML answers.

use roxmltree::Document;

/// The text of the first element called `tag`, whatever its namespace.
pub fn first(xml: &str, tag: &str) -> Option<String> {
    let document = Document::parse(xml).ok()?;
    document.descendants().find(|node| node.has_tag_name_any(tag)).and_then(|node| node.text()).map(str::to_owned)
}

/// The values of `tags` within each element called `parent` that holds the first of them as a direct child.
pub fn records(xml: &str, parent: &str, tags: &[&str]) -> Vec<Vec<String>> {
    let Ok(document) = Document::parse(xml) else { return Vec::new() };
    document
        .descendants()
        .filter(|node| node.has_tag_name_any(parent))
        .filter_map(|node| tags.iter().map(|tag| node.children().find(|child| child.has_tag_name_any(tag)).and_then(|child| child.text()).map(str::to_owned)).collect())
        .collect()
}

trait AnyNamespace {
    fn has_tag_name_any(&self, tag: &str) -> bool;
}

impl AnyNamespace for roxmltree::Node<'_, '_> {
    fn has_tag_name_any(&self, tag: &str) -> bool {
        self.is_element() && self.tag_name().name() == tag
    }
}

/// Escapes text for an XML element.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBNETS: &str = r#"<R xmlns="http://ec2/"><subnetSet><item><subnetId>subnet-a</subnetId><availabilityZone>z-a</availabilityZone></item>
        <item><subnetId>subnet-b</subnetId><availabilityZone>z-b</availabilityZone><tagSet><item><key>k</key></item></tagSet></item></subnetSet></R>"#;

    #[test]
    fn records_ignore_items_of_another_kind() {
        let found = records(SUBNETS, "item", &["subnetId", "availabilityZone"]);
        assert_eq!(found, vec![vec!["subnet-a", "z-a"], vec!["subnet-b", "z-b"]]);
    }

    #[test]
    fn first_reads_through_namespaces_and_is_none_for_garbage() {
        assert_eq!(first(SUBNETS, "availabilityZone").as_deref(), Some("z-a"));
        assert_eq!(first("<a><b>", "b"), None);
    }
}
