//! JSON bodies: read strictly, refused with the key that is wrong.

use super::problem::{ApiResult, Problem};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::error::Error;

/// The media type of what is neither a patch nor a problem.
pub(super) const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// A body of `application/json`.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

/// A merge patch (RFC 7396): an object, as `application/json` or `application/merge-patch+json`.
#[derive(Debug)]
pub struct MergePatch(pub Value);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> ApiResult<Self> {
        let bytes = read(request, state, &[JSON]).await?;
        parse(&bytes).map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for MergePatch {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> ApiResult<Self> {
        let bytes = read(request, state, &[JSON, MERGE_PATCH]).await?;
        parse::<Map<String, Value>>(&bytes).map(|patch| Self(Value::Object(patch)))
    }
}

/// What `current` becomes by a merge patch; the whole must be acceptable as a `T`.
pub fn merged<T: Serialize + DeserializeOwned>(current: &T, patch: &Value) -> ApiResult<T> {
    let as_problem = |error: serde_json::Error| Problem::from(anyhow::Error::from(error));
    let mut whole = serde_json::to_value(current).map_err(as_problem)?;
    merge(&mut whole, patch);
    let whole = serde_json::to_vec(&whole).map_err(as_problem)?;
    axum::Json::from_bytes(&whole).map(|axum::Json(value)| value).map_err(|rejection| {
        // The position is one in the merged whole, which the caller has never seen.
        refused(&rejection, without_position)
    })
}

/// Reads a whole body of one of these media types.
async fn read<S: Send + Sync>(request: Request, state: &S, allowed: &[&str]) -> ApiResult<Bytes> {
    ensure_media_type(request.headers(), allowed)?;
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { too_large() } else { unreadable() }
    })
}

/// Refuses a body of another media type.
pub(super) fn ensure_media_type(headers: &HeaderMap, allowed: &[&str]) -> ApiResult<()> {
    let media_type = media_type(headers);
    if !allowed.iter().any(|allowed| media_type.eq_ignore_ascii_case(allowed)) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            format!("The body is \"{media_type}\"; send it with Content-Type: {}.", allowed.join(" or ")),
        ));
    }
    Ok(())
}

/// The body is larger than the route takes.
pub(super) fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is larger than this route takes.")
}

/// The body broke off.
pub(super) fn unreadable() -> Problem {
    Problem::bad_request("body-unreadable", "The body could not be read to its end; send the request again.")
}

fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// Reads JSON as a `T`; errors name the place, as `settings.dry-run`.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> ApiResult<T> {
    let parsed = axum::Json::<T>::from_bytes(bytes);
    parsed.map(|axum::Json(value)| value).map_err(|rejection| refused(&rejection, |why| why))
}

/// `shown` cuts from the reason what the caller should not see.
fn refused(rejection: &JsonRejection, shown: fn(&str) -> &str) -> Problem {
    let why = rejection.source().map_or_else(|| rejection.to_string(), ToString::to_string);
    let why = shown(&why);
    match rejection {
        JsonRejection::JsonDataError(_) => {
            Problem::unprocessable("invalid-body", format!("The body is not as it should be: {why}."))
        }
        _ => Problem::bad_request("invalid-json", format!("The body is not JSON: {why}.")),
    }
}

/// A reason of `serde_json`'s without its ` at line 1 column 133`.
fn without_position(why: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match why.rsplit_once(" at line ") {
        Some((reason, position))
            if position
                .split_once(" column ")
                .is_some_and(|(line, column)| is_number(line) && is_number(column)) =>
        {
            reason
        }
        _ => why,
    }
}

/// RFC 7396 section 2.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { unreachable!("made an object just before") };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_examples_of_rfc_7396_merge_as_printed_there() {
        for (mut target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let before = target.clone();
            merge(&mut target, &patch);
            assert_eq!(target, result, "{before} with {patch}");
        }
    }

    #[test]
    fn an_error_names_the_place() {
        #[derive(Debug, serde::Deserialize, Serialize)]
        #[serde(deny_unknown_fields)]
        struct Settings {
            settings: adc_core::settings::Settings,
        }
        let error = |text: &str| parse::<Settings>(text.as_bytes()).expect_err(text);
        let wrong_type = error(r#"{"settings":{"dry-run":"yes"}}"#);
        assert!(wrong_type.detail().contains("settings.dry-run: invalid type"), "{wrong_type}");
        let unknown = error(r#"{"settings":{"dry_run":true}}"#);
        assert!(unknown.detail().contains("unknown field `dry_run`"), "{unknown}");
        assert_eq!(error("{").code(), "invalid-json");
    }
}
