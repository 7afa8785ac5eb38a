//! What administrators do, the same for the command line, the API and the demo.

pub mod accounts;
pub mod api_keys;
pub mod synchronizations;
pub mod users;

use crate::api::problem::{ApiResult, Problem};

/// The longest name of anything (characters).
const MAX_NAME: usize = 200;

/// A name as it is kept: without outer white space, and one that can be told from an id.
///
/// `id_prefix` is how the ids of that thing begin.
pub(crate) fn checked_name(name: &str, id_prefix: &str) -> ApiResult<String> {
    let name = name.trim();
    let refuse = |why: String| Err(Problem::unprocessable("invalid-name", why));
    if name.is_empty() {
        return refuse("A name must not be empty.".to_owned());
    }
    if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return refuse(format!("A name has at most {MAX_NAME} characters and no line breaks."));
    }
    if name.starts_with(id_prefix) {
        return refuse(format!("A name must not begin with \"{id_prefix}\": that is how ids begin."));
    }
    Ok(name.to_owned())
}
