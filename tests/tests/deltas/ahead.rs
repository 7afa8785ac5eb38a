//! A directory that was told once of a time to come: its place in the feed stays there, and it names nothing that happens before.

use adc_tests::{Company, Person, Scene, Slapd};

use super::{company, delta, effective, is_up_to_date};

/// Everybody was changed long ago, but for somebody whose change lies decades ahead.
fn company_ahead() -> Company {
    company()
        .all_with("entryCSN", "20200101000000.000000Z#000000#000#000000")
        .person(Person::new("ulf").with("entryCSN", "20990101000000.000000Z#000000#000#000000"))
}

#[test]
fn nobody_who_changed_joined_or_left_before_the_time_of_a_future_stamp_was_noticed() {
    for log in [None, Some(1_000)] {
        let slapd = Slapd::builder(&company_ahead()).syncprov(log).start();
        let scene = Scene::between(company_ahead(), slapd);
        scene.imp();
        scene.directory.set(&scene.dn("jane"), "title", ["Head of sales"]);
        assert_eq!(delta(&scene)["counts"]["update"], 1, "{log:?}");
        scene.leave("max");
        assert_eq!(delta(&scene)["counts"]["delete"], 1, "{log:?}");
        scene.join("people/sales", "zoe");
        assert_eq!(delta(&scene)["counts"]["create"], 1, "{log:?}");
        scene.directory.set(&scene.dn("ulf"), "title", ["Chair"]);
        assert_eq!(delta(&scene)["counts"]["update"], 1, "{log:?}");
        scene.leave("ulf");
        assert_eq!(delta(&scene)["counts"]["delete"], 1, "{log:?}");
        assert_eq!(effective(&delta(&scene)), 0, "{log:?}");
        is_up_to_date(&scene);
    }
}
