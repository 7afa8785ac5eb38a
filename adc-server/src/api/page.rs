//! Lists page by page: `?limit=` and `?cursor=`, answered with `{"items": […], "next_cursor": …}`.
//!
//! A cursor holds the sort key of the last item shown, never a count: what is added or removed meanwhile neither
//! repeats nor hides what stands behind it.

use super::problem::{ApiResult, Problem};
use adc_core::protocol::Page;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

/// The most items of one page; the contract's number.
const MAX_LIMIT: u32 = 500;
/// Items of a page when nobody says.
const DEFAULT_LIMIT: u32 = 100;

/// The part of a list that was asked for; `K` is the list's sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window<K> {
    /// The last item of the page before.
    pub after: Option<K>,
    limit: u32,
}

impl<K: DeserializeOwned + Serialize> Window<K> {
    /// Reads `?limit=` and `?cursor=`.
    pub fn new(limit: Option<u32>, cursor: Option<&str>) -> ApiResult<Self> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::bad_request(
                "invalid-limit",
                format!("limit is a number from 1 to {MAX_LIMIT}, not {limit}."),
            ));
        }
        let after = cursor.map(decode).transpose()?;
        Ok(Self { after, limit })
    }

    /// How many rows to fetch: one more than the page shows, to know whether another follows.
    pub fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// How many items the page shows.
    pub fn items(&self) -> usize {
        self.limit as usize
    }

    /// The page of [`Window::rows`] rows; `key` gives the sort key of each, `show` what is shown of it.
    pub fn page<R, T>(
        &self,
        mut rows: Vec<R>,
        key: impl FnOnce(&R) -> K,
        show: impl FnMut(R) -> T,
    ) -> Page<T> {
        let more = rows.len() > self.items();
        rows.truncate(self.items());
        let next_cursor = rows.last().filter(|_| more).map(|last| encode(&key(last)));
        Page { items: rows.into_iter().map(show).collect(), next_cursor }
    }
}

/// A sort key as a cursor.
pub fn encode<K: Serialize>(key: &K) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).expect("texts and numbers are JSON"))
}

fn decode<K: DeserializeOwned>(cursor: &str) -> ApiResult<K> {
    URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(
        || Problem::bad_request("invalid-cursor", "This list gave out no such cursor; start without one."),
    )
}

/// A text that finds what contains it, as a pattern of `LIKE … ESCAPE '\'`.
pub fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_next_one_only_if_something_follows() {
        let window = Window::<i64>::new(Some(2), None).expect("valid");
        assert_eq!(window.page(vec![1, 2], |key| *key, |item| item).next_cursor, None);
        let page = window.page(vec![1, 2, 3], |key| *key, |item| item);
        assert_eq!(page.items, [1, 2]);
        let next = Window::<i64>::new(None, page.next_cursor.as_deref()).expect("valid");
        assert_eq!(next.after, Some(2));
    }

    #[test]
    fn limits_and_cursors_that_make_no_sense_are_refused() {
        for (limit, cursor) in [(Some(0), None), (Some(501), None), (None, Some("?")), (None, Some("WzFd"))] {
            Window::<(String, String)>::new(limit, cursor).expect_err("refused");
        }
    }

    #[test]
    fn what_is_searched_for_is_no_pattern() {
        assert_eq!(containing(r"50%_a\b"), r"%50\%\_a\\b%");
    }
}
