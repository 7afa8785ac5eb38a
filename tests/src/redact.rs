//! Snapshots without what differs from run to run.

use insta::Settings;

/// The members whose values are new in every run, with what stands for them in a snapshot.
const REDACTIONS: [(&str, &str); 19] = [
    (".**.id", "[id]"),
    (".**.run_id", "[id]"),
    (".**.account_id", "[id]"),
    (".**.synchronization_id", "[id]"),
    (".**.source_id", "[source id]"),
    (".**.application_id", "[application id]"),
    (".**.secret_token", "[secret]"),
    (".**.api_key", "[secret]"),
    (".**.created_at", "[time]"),
    (".**.started_at", "[time]"),
    (".**.updated_at", "[time]"),
    (".**.deleted_at", "[time]"),
    (".**.finished_at", "[time]"),
    (".**.duration_ms", "[duration]"),
    (".**.bytes", "[bytes]"),
    (".**.report_url", "[url]"),
    (".**.fingerprint", "[fingerprint]"),
    (".**.mark", "[mark]"),
    (".**.next_cursor", "[cursor]"),
];

/// Runs snapshot assertions with ids, times, secrets, sizes and durations redacted; null stays null.
pub fn redacted(assertions: impl FnOnce()) {
    let mut settings = Settings::clone_current();
    for (selector, replacement) in REDACTIONS {
        settings.add_dynamic_redaction(
            selector,
            move |value, _path| {
                if value.is_nil() { value } else { replacement.into() }
            },
        );
    }
    settings.bind(assertions);
}
