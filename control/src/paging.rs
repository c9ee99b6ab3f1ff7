//! Lists in pages by keyset: a page token holds the sort key of the last row, signed, and is only good for the same question.
//!
//! The SQL of every list has the same shape, with `k` the sort key as text:
//! ```sql
//! where ($after_key::text is null
//!        or case when $descending then (k, id) < ($after_key, $after_id) else (k, id) > ($after_key, $after_id) end)
//! order by case when $descending then k end desc, case when not $descending then k end asc,
//!          case when $descending then id end desc, case when not $descending then id end asc
//! limit $limit
//! ```

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Code, Rejected, limits,
    page::{DEFAULT_PAGE_SIZE, Direction, MAX_PAGE_SIZE, Page, PageQuery},
};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::Control;

/// A list that can be asked for in pages.
#[derive(Debug)]
pub struct List {
    /// A page token is good for the list of this name only.
    pub name: &'static str,
    /// The fields it can be sorted by with their direction when none is given, the default first.
    pub sorts: &'static [(&'static str, Direction)],
    /// What of a row has to contain a search's text, in words: `its name or description`.
    pub searched: &'static str,
}

/// A list's question, ready for SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paging {
    /// One more than the page has, to learn whether there is a next one.
    pub limit: i64,
    pub after_key: Option<String>,
    pub after_id: Option<Uuid>,
    pub sort: &'static str,
    pub descending: bool,
    /// A pattern for `ilike`, with the wildcards of the search text escaped.
    pub search: Option<String>,
    question: [u8; 8],
    key: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct Token {
    /// Which question it belongs to.
    q: [u8; 8],
    /// The sort key of the last row.
    k: String,
    id: Uuid,
}

impl Paging {
    /// Reads the question. `filters` is everything else that decides which rows the list has.
    ///
    /// # Errors
    /// `invalid_input` for a page size, sort field or page token that cannot be.
    pub fn read(control: &Control, list: &List, query: &PageQuery, filters: &impl Serialize) -> Result<Self, Rejected> {
        let sorts = list.sorts;
        let size = query.page_size.unwrap_or(DEFAULT_PAGE_SIZE);
        if size == 0 || size > MAX_PAGE_SIZE {
            return Err(Rejected::field("page_size", format!("Ask for 1 to {MAX_PAGE_SIZE} rows.")));
        }
        let wanted = query.sort.as_deref().filter(|sort| !sort.is_empty());
        let Some((sort, direction)) = wanted.map_or(sorts.first(), |wanted| sorts.iter().find(|(sort, _)| *sort == wanted)) else {
            let known: Vec<&str> = sorts.iter().map(|(sort, _)| *sort).collect();
            return Err(Rejected::field("sort", format!("Sort by one of: {}.", known.join(", "))));
        };
        let descending = query.direction.unwrap_or(*direction) == Direction::Descending;
        let text = query.search.as_deref().map(str::trim).filter(|text| !text.is_empty());
        if text.is_some_and(|text| text.chars().count() > limits::SEARCH) {
            return Err(Rejected::field("search", format!("Search for at most {} characters.", limits::SEARCH)));
        }
        if text.is_some_and(|text| text.contains('\0')) {
            return Err(Rejected::field("search", "Leave out the NUL character."));
        }
        let question = question(list.name, sort, descending, text, filters)?;
        let key = control.cursor_key;
        let after = match query.page_token.as_deref().filter(|token| !token.is_empty()) {
            Some(token) => Some(
                open(&key, token)
                    .filter(|token| token.q == question)
                    .ok_or_else(|| Rejected::field("page_token", "This page token is not from this list with these filters. Start again without it."))?,
            ),
            None => None,
        };
        let (after_key, after_id) = after.map(|token| (token.k, token.id)).unzip();
        Ok(Self { limit: i64::from(size) + 1, after_key, after_id, sort, descending, search: text.map(pattern), question, key })
    }

    /// Makes the page of the rows that were read. `key` gives a row's sort key, as the SQL wrote it, and its id.
    ///
    /// # Errors
    /// A fault when a token cannot be written.
    pub fn page<R, T>(&self, mut rows: Vec<R>, key: impl Fn(&R) -> (String, Uuid), view: impl Fn(R) -> T) -> crate::Result<Page<T>> {
        let full = i64::try_from(rows.len()).unwrap_or(i64::MAX) >= self.limit;
        if full {
            rows.pop();
        }
        let next_page_token = match rows.last().filter(|_| full) {
            Some(last) => {
                let (k, id) = key(last);
                Some(seal(&self.key, &serde_json::to_vec(&Token { q: self.question, k, id })?))
            }
            None => None,
        };
        Ok(Page { items: rows.into_iter().map(view).collect(), next_page_token })
    }
}

fn question(list: &str, sort: &str, descending: bool, search: Option<&str>, filters: &impl Serialize) -> Result<[u8; 8], Rejected> {
    let text = serde_json::to_vec(&(list, sort, descending, search, filters)).map_err(|_| Rejected::new(Code::MalformedRequest, "The filters cannot be read."))?;
    let mut short = [0; 8];
    short.copy_from_slice(&Sha256::digest(text)[..8]);
    Ok(short)
}

fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn seal(key: &[u8; 32], text: &[u8]) -> String {
    let mut signed = mac(key).chain_update(text).finalize().into_bytes()[..16].to_vec();
    signed.extend_from_slice(text);
    URL_SAFE_NO_PAD.encode(signed)
}

fn open(key: &[u8; 32], token: &str) -> Option<Token> {
    let signed = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (signature, text) = signed.split_at_checked(16)?;
    mac(key).chain_update(text).verify_truncated_left(signature).ok()?;
    serde_json::from_slice(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_only_good_with_its_own_signature() {
        let id = Uuid::from_u128(7);
        let token = seal(&[1; 32], &serde_json::to_vec(&Token { q: [2; 8], k: "iris".into(), id }).unwrap());
        assert_eq!(open(&[1; 32], &token).map(|token| (token.k, token.id)), Some(("iris".into(), id)));
        assert!(open(&[9; 32], &token).is_none());
        assert!(open(&[1; 32], &token[1..]).is_none());
    }

    #[test]
    fn wildcards_of_a_search_are_text() {
        assert_eq!(pattern(r"50%_\x"), r"%50\%\_\\x%");
    }

    proptest! {
        #[test]
        fn garbage_tokens_never_open(token in ".{0,80}") {
            prop_assert!(open(&[1; 32], &token).is_none());
        }
    }
}
