//! Query strings and paths: read strictly, refused with a sentence.

use super::problem::{ApiResult, Problem};
use axum::{
    extract::{FromRequestParts, Query as AxumQuery, RawPathParams},
    http::{Uri, request::Parts},
};
use serde::de::DeserializeOwned;
use std::error::Error;

/// The key by which a system administrator names an account; read by [`super::auth`], not by the routes.
const ACCOUNT: &str = "account";

/// A query string. A key without a value is as good as none.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// The path's only parameter, an id.
#[derive(Debug)]
pub struct Id(pub String);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let query = parts.uri.query().unwrap_or_default();
        parse(&pairs(query, |key, value| key != ACCOUNT && !value.is_empty())).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let garbled = || Problem::bad_request("invalid-path", "The path is not valid UTF-8.");
        let parameters = RawPathParams::from_request_parts(parts, state).await.map_err(|_| garbled())?;
        let id = parameters.iter().next().map(|(_, value)| value.to_owned());
        id.map(Self).ok_or_else(garbled)
    }
}

/// The value of `?account=`.
pub(super) fn account(uri: &Uri) -> ApiResult<Option<String>> {
    #[derive(serde::Deserialize)]
    struct Account {
        account: Option<String>,
    }
    let query = uri.query().unwrap_or_default();
    let Account { account } = parse(&pairs(query, |key, value| key == ACCOUNT && !value.is_empty()))?;
    Ok(account)
}

/// The pairs of a query string that belong.
fn pairs(query: &str, belongs: impl Fn(&str, &str) -> bool) -> String {
    let kept: Vec<_> = query
        .split('&')
        .filter(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            belongs(key, value)
        })
        .collect();
    kept.join("&")
}

fn parse<T: DeserializeOwned>(query: &str) -> ApiResult<T> {
    let refuse = |why: String| {
        Problem::bad_request("invalid-query", format!("The query string is not as it should be: {why}."))
    };
    let uri: Uri = format!("/?{query}").parse().map_err(|error| refuse(format!("{error}")))?;
    AxumQuery::try_from_uri(&uri).map(|AxumQuery(query)| query).map_err(|rejection| {
        refuse(rejection.source().map_or_else(|| rejection.to_string(), ToString::to_string))
    })
}
