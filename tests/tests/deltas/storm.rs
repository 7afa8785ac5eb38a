//! Changes that arrive by the tens of thousands.

use std::fmt::Write as _;

use adc_tests::Scene;
use serde_json::json;

use super::{company, delta, effective, following, is_up_to_date};

/// More than any threshold, and than the feed's log remembers.
const MANY: usize = 50_000;

/// A department's equipment, which nobody reads: named by the feed all the same, for it does not know what is read.
fn equip(scene: &Scene) {
    let mut ldif = String::new();
    for number in 0..MANY {
        let dn = format!("cn=phone{number},ou=support,ou=people,dc=lg,dc=local");
        writeln!(ldif, "dn: {dn}\nchangetype: add\nobjectClass: device\ncn: phone{number}\n").expect("fits");
    }
    scene.directory.modify(&ldif);
}

#[test]
fn fifty_thousand_changes_at_once_are_read_as_a_whole_and_nobody_is_looked_for_before() {
    let scene = following(company());
    equip(&scene);
    scene.leave("max");
    scene.join("people/sales", "zoe");
    scene.directory.set(&scene.dn("jane"), "title", ["Head of sales"]);
    let outcome = scene.agent.run(&["imp", "--output", "json", "-v"]).expect_code(0);
    let summary = outcome.json();
    assert_eq!((&summary["mode"], &summary["full_because"]), (&json!("full"), &json!("too-much-touched")));
    assert!(outcome.stderr.contains("searched the directory"), "it says what it asks for");
    let looked_for = outcome.stderr.matches("50 ids by entryUUID").count();
    assert_eq!(looked_for, 0, "of {MANY} that were named");
    let counts = &summary["counts"];
    assert_eq!((&counts["create"], &counts["update"], &counts["delete"]), (&json!(1), &json!(1), &json!(1)));
    is_up_to_date(&scene);
    assert_eq!(effective(&delta(&scene)), 0);
}
