//! A directory that takes its time.

use adc::imp::{Options, Surroundings, imp};
use adc_core::record::Kind;
use adc_sandbox::{Fault, Sandbox, sample};

use crate::run::{config, opened};
use crate::script::{Answer, Script};

const PAGE_SIZE: usize = 20;
/// Entries of the second page that come before the directory falls silent.
const OF_PAGE_2: usize = 7;

#[tokio::test]
async fn people_counted_up_only_by_the_hundred_while_a_page_was_on_its_way() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    sandbox.faults().inject(Fault::stall_after(OF_PAGE_2).on_page(2).mentioning("inetOrgPerson"));
    let script = Script::start([Answer::json(200, &opened()), Answer::json(200, "{}")]).await;
    let more = format!("    search_timeout: 1\n    sync: {{page_size: {PAGE_SIZE}}}\n");
    let config = config(&script, &sandbox, &more);
    let options = Options {
        run_id: "run_1".to_owned(),
        dry_run: false,
        full: false,
        trigger: adc_core::protocol::Trigger::Agent,
        instance: None,
    };
    let surroundings = Surroundings::default();
    let ended = imp(&config, &options, &surroundings).await;
    ended.result.expect_err("the directory fell silent");
    let read = |kind| usize::try_from(surroundings.progress.read(kind)).expect("fits");
    assert_eq!((read(Kind::OrgUnit), read(Kind::User)), (sample::ORG_UNITS, PAGE_SIZE + OF_PAGE_2));
}
