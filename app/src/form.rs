//! What somebody typed, and what was wrong with it: a form is drawn again with both.

use domain::{Code, Rejected};

use crate::page::Answer;

/// The fields of a form as they came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    values: Vec<(String, String)>,
    rejected: Option<Rejected>,
}

impl Typed {
    /// What was posted, or what a link fills in.
    #[must_use]
    pub fn new(values: Vec<(String, String)>) -> Self {
        Self { values, rejected: None }
    }

    /// The same, with why it was turned down.
    #[must_use]
    pub fn rejected(mut self, rejected: Rejected) -> Self {
        self.rejected = Some(rejected);
        self
    }

    /// Why it was turned down.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejected> {
        self.rejected.as_ref()
    }

    /// The same, with these fields holding something else than what was typed.
    #[must_use]
    pub fn filled_in(mut self, chosen: Vec<(String, String)>) -> Self {
        self.values.retain(|(field, _)| !chosen.iter().any(|(name, _)| name == field));
        self.values.extend(chosen);
        self
    }

    /// What of it can wait on a page while somebody signs in: what was typed and chosen, but no secret, and nothing that a new drawing
    /// of the form brings itself.
    #[must_use]
    pub fn kept(&self) -> Vec<(String, String)> {
        let own = |name: &str| name == "do" || name.starts_with('_') || name.contains("password") || name.contains("secret");
        self.values.iter().filter(|(name, _)| !own(name)).cloned().collect()
    }

    /// How to answer with the form drawn again.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let status = self.rejected.as_ref().map_or(200, |rejected| match rejected.code.status() {
            // A browser would ask for credentials or retry; the page says it better.
            401 | 403 | 409 | 412 | 429 => rejected.code.status(),
            _ => 422,
        });
        Answer { status, rejected: self.rejected.clone(), stale: self.stale() }
    }

    /// The version that the form was filled in for, when it was turned down because there is a newer one.
    #[must_use]
    pub fn stale(&self) -> Option<i64> {
        let is_stale = self.rejected.as_ref().is_some_and(|rejected| rejected.code == Code::PreconditionFailed);
        self.text("_version").parse().ok().filter(|_| is_stale)
    }

    /// A field's text; empty when it was not sent.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.values.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_str())
    }

    /// A field's text unless it is empty.
    #[must_use]
    pub fn filled(&self, name: &str) -> Option<&str> {
        Some(self.text(name).trim()).filter(|text| !text.is_empty())
    }

    /// A field's text, or `otherwise` when the form was not sent yet.
    #[must_use]
    pub fn text_or(&self, name: &str, otherwise: &str) -> String {
        self.values.iter().find(|(field, _)| field == name).map_or(otherwise, |(_, value)| value.as_str()).to_owned()
    }

    /// Whether a field was sent at all, empty or not.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(field, _)| field == name)
    }

    /// Every value of a repeated field, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.values.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// What is wrong with a field.
    #[must_use]
    pub fn why(&self, name: &str) -> Option<String> {
        self.rejected.as_ref().and_then(|rejected| rejected.message_for(name)).map(str::to_owned)
    }

    /// The operation that the pressed button names.
    #[must_use]
    pub fn operation(&self) -> &str {
        self.text("do")
    }
}

#[cfg(test)]
mod tests {
    use super::Typed;

    #[test]
    fn no_password_is_kept_and_nothing_that_the_form_brings_itself() {
        let typed = ["do", "_key", "_version", "password", "current_password", "new_password", "password_again", "name", "environment"];
        let kept = Typed::new(typed.map(|name| (name.to_owned(), "x".to_owned())).to_vec()).kept();
        assert_eq!(kept.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["name", "environment"]);
    }
}
