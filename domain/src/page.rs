//! Lists in pages. A page token is opaque: it holds where the next page starts and is only good for the same question.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// The most rows a page can have.
pub const MAX_PAGE_SIZE: u16 = 100;
/// How many rows a page has when nothing is said.
pub const DEFAULT_PAGE_SIZE: u16 = 50;

/// Which way a list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub enum Direction {
    #[default]
    Ascending,
    Descending,
}

/// The part of a list's question that is the same for every list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::IntoParams, utoipa::ToSchema))]
#[cfg_attr(feature = "native", into_params(parameter_in = Query))]
pub struct PageQuery {
    /// How many rows, 1 to 100; 50 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "size")]
    pub page_size: Option<u16>,
    /// `next_page_token` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_token: Option<String>,
    /// Keeps rows whose name or description contains this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// The field to sort by; each list says which it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
    /// Which way to sort.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Give this as `page_token` to get the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

/// A query holds text only, and a question that is part of a larger one reaches serde as such.
fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Size {
        Number(u16),
        Text(String),
    }
    match Size::deserialize(deserializer)? {
        Size::Number(number) => Ok(Some(number)),
        Size::Text(text) => text.parse().map(Some).map_err(|_| D::Error::custom(format!("page_size has to be a whole number from 1 to {MAX_PAGE_SIZE}"))),
    }
}
