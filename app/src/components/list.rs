//! Search, filters, sorting and pages of a list: plain GET forms and links.

use std::borrow::Cow;

use domain::page::Direction;
use leptos::prelude::*;
use serde::Serialize;

/// What a list was asked, as its address says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    path: Cow<'static, str>,
    pairs: Vec<(String, String)>,
}

impl Asked {
    /// `query` as the list's address carries it.
    ///
    /// # Panics
    /// Never with the queries of `domain::*`, which are flat structures of texts, numbers and unit variants.
    #[must_use]
    pub fn new(path: impl Into<Cow<'static, str>>, query: &impl Serialize) -> Self {
        let value = serde_json::to_value(query).expect("a query is plain data");
        let pairs = value.as_object().into_iter().flatten().filter_map(|(name, value)| {
            let text = match value {
                serde_json::Value::Null => return None,
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            Some((name.clone(), text))
        });
        Self { path: path.into(), pairs: pairs.collect() }
    }

    /// What it was asked under this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether it was asked for anything but the whole list.
    #[must_use]
    pub fn is_narrowed(&self) -> bool {
        self.pairs.iter().any(|(name, value)| !value.is_empty() && !ORDER.contains(&name.as_str()))
    }

    /// What the form above the list does not ask itself and has to send along.
    fn kept<'a>(&'a self, filters: &[Filter], days: &[Day]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let asks: Vec<&str> = filters.iter().map(|filter| filter.name).chain(days.iter().map(|day| day.name)).chain(["search", "page_token"]).collect();
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(move |(name, value)| !value.is_empty() && !asks.contains(name))
    }

    /// The same question with some of it changed; a page token does not outlive that.
    #[must_use]
    pub fn link(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.pairs {
            if name != "page_token" && !value.is_empty() && !changes.iter().any(|(changed, _)| changed == name) {
                text.append_pair(name, value);
            }
        }
        for (name, value) in changes {
            if let Some(value) = value {
                text.append_pair(name, value);
            }
        }
        match text.finish() {
            query if query.is_empty() => self.path.clone().into_owned(),
            query => format!("{}?{query}", self.path),
        }
    }
}

/// How a list is set out, which narrows nothing.
const ORDER: [&str; 3] = ["sort", "direction", "page_size"];

/// A choice that narrows a list.
pub struct Filter {
    /// The query's field.
    pub name: &'static str,
    /// `Status`
    pub label: &'static str,
    /// `Any status`
    pub any: &'static str,
    /// Values with the words people read.
    pub options: Vec<(String, String)>,
}

impl Filter {
    /// A choice among names; none where there is nothing to choose. What a link asked for in other words is one of them, too.
    #[must_use]
    pub fn named(asked: &Asked, name: &'static str, label: &'static str, any: &'static str, names: Vec<String>) -> Option<Self> {
        let mut options: Vec<(String, String)> = names.into_iter().map(|name| (name.clone(), name)).collect();
        if let Some(value) = asked.value(name)
            && !options.iter().any(|(known, _)| known == value)
        {
            options.push((value.to_owned(), value.to_owned()));
        }
        (options.len() > 1 || asked.value(name).is_some()).then_some(Self { name, label, any, options })
    }
}

/// A day that bounds a list.
pub struct Day {
    /// The query's field.
    pub name: &'static str,
    /// `From`
    pub label: &'static str,
}

/// The form above a list.
#[component]
pub fn Search(asked: Asked, placeholder: &'static str, #[prop(optional)] filters: Vec<Filter>, #[prop(optional)] days: Vec<Day>) -> impl IntoView {
    let kept: Vec<(String, String)> = asked.kept(&filters, &days).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    // What a link asked for and no choice here shows has to be seen.
    let chips = kept
        .iter()
        .filter(|(name, _)| !ORDER.contains(&name.as_str()) && !name.ends_with("_id"))
        .map(|(name, value)| view! { <span class="tag">{format!("{}: {value}", name.replace('_', " "))}</span> })
        .collect_view();
    let kept = kept.into_iter().map(|(name, value)| view! { <input type="hidden" name=name value=value/> }).collect_view();
    let filters = filters
        .into_iter()
        .map(|filter| {
            let chosen = asked.value(filter.name).unwrap_or_default().to_owned();
            let options = filter
                .options
                .into_iter()
                .map(|(value, words)| {
                    let selected = value == chosen;
                    view! { <option value=value selected=selected>{words}</option> }
                })
                .collect_view();
            view! { <select name=filter.name aria-label=filter.label><option value="">{filter.any}</option>{options}</select> }
        })
        .collect_view();
    let days = days
        .into_iter()
        .map(|Day { name, label }| {
            let value = asked.value(name).unwrap_or_default().to_owned();
            // A moment that a link asked for is more than a day can say.
            let kind = if value.contains('T') { "text" } else { "date" };
            view! { <label class="small muted day">{label}" "<input type=kind name=name value=value/></label> }
        })
        .collect_view();
    let search = asked.value("search").unwrap_or_default().to_owned();
    let narrowed = asked.is_narrowed();
    view! {
        <form class="search" role="search" method="get">
            {kept}
            <input type="search" name="search" value=search placeholder=placeholder aria-label=placeholder maxlength="100"/>
            {filters}
            {days}
            {chips}
            <button>"Search"</button>
            {narrowed.then(|| view! { <a class="small" href=asked.path.into_owned()>"Show all"</a> })}
        </form>
    }
}

/// A column's title that sorts by it; pressing it again turns the order around.
#[component]
pub fn SortBy(
    asked: Asked,
    field: &'static str,
    #[prop(into)] label: String,
    /// The order when the list was not asked for one and this is its default column.
    #[prop(optional)]
    default: Option<Direction>,
    /// Which way it sorts when first pressed.
    #[prop(default = Direction::Ascending)]
    first: Direction,
    #[prop(optional)] class: &'static str,
) -> impl IntoView {
    let current = match asked.value("sort") {
        Some(sort) => (sort == field).then(|| if asked.value("direction").is_some_and(|d| d == "descending") { Direction::Descending } else { Direction::Ascending }),
        None => default.map(|default| match asked.value("direction") {
            Some("descending") => Direction::Descending,
            Some("ascending") => Direction::Ascending,
            _ => default,
        }),
    };
    let next = match current {
        Some(Direction::Ascending) => Direction::Descending,
        Some(Direction::Descending) => Direction::Ascending,
        None => first,
    };
    let name = |direction| if direction == Direction::Ascending { "ascending" } else { "descending" };
    let to = asked.link(&[("sort", Some(field)), ("direction", Some(name(next)))]);
    let arrow = current.map(|current| {
        let path = if current == Direction::Ascending { "M2 8l4-4 4 4" } else { "M2 4l4 4 4-4" };
        view! { <svg viewBox="0 0 12 12" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><path d=path></path></svg> }
    });
    view! { <th class=class scope="col" aria-sort=current.map(name)><a href=to>{label}{arrow}</a></th> }
}

/// The way to the next rows; nothing where all of them are seen.
#[component]
pub fn Pager(asked: Asked, next: Option<String>) -> impl IntoView {
    let later = asked.value("page_token").is_some();
    (next.is_some() || later).then(|| {
        let first = later.then(|| view! { <a class="button small" href=asked.link(&[])>"First page"</a> });
        let next = next.map(|token| view! { <a class="button small" rel="next" href=asked.link(&[("page_token", Some(&token))])>"Next page"</a> });
        view! {
            <nav class="pager" aria-label="Pages">
                <span>{if next.is_some() { "There is more." } else { "These are the last." }}</span>
                <div>{first}{next}</div>
            </nav>
        }
    })
}

/// Nothing matches what was asked.
#[component]
pub fn NoMatch(asked: Asked, columns: &'static str) -> impl IntoView {
    view! { <tr><td colspan=columns><span class="muted">"Nothing matches. "</span><a href=asked.path.into_owned()>"Show all"</a></td></tr> }
}

#[cfg(test)]
mod tests {
    use domain::{
        deployment::{DeploymentQuery, DeploymentState},
        page::PageQuery,
    };

    use super::*;

    fn asked() -> Asked {
        let page = PageQuery { search: Some("a&b".into()), page_token: Some("t".into()), sort: Some("name".into()), ..PageQuery::default() };
        Asked::new("/deployments", &DeploymentQuery { page, state: Some(DeploymentState::RollingOut.into()), ..DeploymentQuery::default() })
    }

    #[test]
    fn a_link_keeps_the_question_but_not_the_page() {
        assert_eq!(asked().link(&[("sort", Some("changed_at"))]), "/deployments?search=a%26b&state=rolling_out&sort=changed_at");
        assert_eq!(asked().link(&[("state", None), ("search", None), ("sort", None)]), "/deployments");
    }

    #[test]
    fn a_choice_of_one_is_none_until_it_is_made() {
        let filter = |asked: &Asked, names: &[&str]| {
            Filter::named(asked, "team", "Team", "Any team", names.iter().map(|&name| name.to_owned()).collect())
                .map(|filter| filter.options.into_iter().map(|(value, _)| value).collect::<Vec<_>>())
        };
        assert_eq!(filter(&asked(), &["forecasting"]), None);
        assert_eq!(filter(&asked(), &["forecasting", "vision"]).unwrap(), ["forecasting", "vision"]);
        let by_id = Asked::new("/deployments", &DeploymentQuery { team: Some("0198".into()), ..DeploymentQuery::default() });
        assert_eq!(filter(&by_id, &["forecasting"]).unwrap(), ["forecasting", "0198"]);
    }

    #[test]
    fn a_search_text_cannot_leave_its_attribute() {
        let page = PageQuery { search: Some("\"><script>alert(1)</script>".into()), ..PageQuery::default() };
        let asked = Asked::new("/deployments", &DeploymentQuery { page, ..DeploymentQuery::default() });
        let html = crate::page::draw_part(|| view! { <Search asked placeholder="Search"/> });
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains("value=\"&quot;"), "{html}");
    }

    #[test]
    fn a_column_says_how_it_is_sorted_and_turns_around() {
        let html = crate::page::draw_part(|| view! { <SortBy asked=asked() field="name" label="Name"/> });
        assert!(html.contains("aria-sort=\"ascending\"") && html.contains("direction=descending"), "{html}");
    }
}
