//! What documents list is complete.

use adc_core::protocol::link::{CloseCode, Refusal};
use adc_tests::repository;

#[test]
fn the_page_on_the_link_had_not_heard_of_new_codes() {
    let page = std::fs::read_to_string(repository().join("docs/link.md")).expect("there is such a page");
    let has_row = |first: &str| page.lines().any(|line| line.starts_with(&format!("| {first} |")));
    for code in CloseCode::ALL {
        assert!(has_row(&code.number().to_string()), "docs/link.md does not explain {code:?}");
    }
    for refusal in Refusal::ALL {
        let word = serde_json::to_value(refusal).expect("is a word");
        let row = format!("| `{}` | {} |", word.as_str().expect("is a word"), refusal.close_code().number());
        assert!(page.contains(&row), "docs/link.md does not say {row}");
    }
    for code in ["no-agent", "agent-refused", "agent-gone", "agent-odd", "agent-busy", "agent-silent"] {
        assert!(page.contains(&format!("| `{code}` |")), "docs/link.md does not explain {code}");
    }
    assert!(has_row("`run-not-begun`"));
}
