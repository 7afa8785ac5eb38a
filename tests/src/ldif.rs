//! LDIF lines (RFC 2849).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Appends `name: value`, in base64 where RFC 2849 section 2 asks for it (anything but a SAFE-STRING).
pub(crate) fn push_line(ldif: &mut String, name: &str, value: &[u8]) {
    let written = match std::str::from_utf8(value) {
        Ok(text) if is_safe(text) => writeln!(ldif, "{name}: {text}"),
        _ => writeln!(ldif, "{name}:: {}", STANDARD.encode(value)),
    };
    written.expect("writing to a String cannot fail");
}

/// A SAFE-STRING that does not end in a space, which readers would trim.
fn is_safe(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii() && !matches!(byte, 0 | b'\n' | b'\r'))
        && !text.starts_with([' ', ':', '<'])
        && !text.ends_with(' ')
}
