//! The spelling of DNs: cut into RDNs as text, so that a moved subtree keeps every name as it was written.

/// The RDNs of a DN as spelled, first one first, without the spaces around them.
pub(crate) fn split_rdns(dn: &str) -> Vec<&str> {
    let mut rdns = Vec::new();
    let mut rest = dn;
    while !rest.is_empty() {
        let end = first_unescaped_comma(rest).unwrap_or(rest.len());
        rdns.push(rest[..end].trim());
        rest = rest.get(end + 1..).unwrap_or("");
    }
    rdns
}

/// The first RDN of a DN as spelled.
pub(crate) fn first_rdn(dn: &str) -> &str {
    dn[..first_unescaped_comma(dn).unwrap_or(dn.len())].trim()
}

fn first_unescaped_comma(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let separates = byte == b',' && !escaped;
        escaped = byte == b'\\' && !escaped;
        separates
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_comma_does_not_end_an_rdn() {
        assert_eq!(
            split_rdns(r"cn=Doe\, Jane, ou=Contractors,dc=com"),
            [r"cn=Doe\, Jane", "ou=Contractors", "dc=com"]
        );
        assert_eq!(first_rdn(r"cn=Doe\, Jane,dc=com"), r"cn=Doe\, Jane");
        assert_eq!(split_rdns(r"cn=back\\,dc=com"), [r"cn=back\\", "dc=com"]);
    }
}
