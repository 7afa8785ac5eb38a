//! Directories that answer the bind account late, or never.

use adc_core::protocol::link::PasswordOutcome;
use adc_core::sign_in::NOT_BEGUN;
use adc_sandbox::{Fault, Operation, ResultCode, Sandbox, sample};
use tokio::io::{copy, sink};
use tokio::join;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::*;
use crate::sign_in::tests::{Bureau, ZOES_MAIL, config};

/// A sign-in waits half of it for the only server, and a third for each of two.
const ONE_SECOND: &str = "    authentication: {timeout: 1}\n";

impl Bureau {
    /// Leads to these servers from now on, as another configuration does.
    fn lead_to(&mut self, urls: &[&str]) {
        self.config = config(&format!("[{}]", urls.join(", ")), ONE_SECOND);
    }

    /// How often the bind account was bound as.
    fn tries(&self) -> usize {
        tries(&self.sandbox)
    }
}

fn tries(sandbox: &Sandbox) -> usize {
    let is_of_the_account =
        |operation: &&Operation| matches!(operation, Operation::Bind { dn, .. } if dn == sample::READONLY_DN);
    sandbox.journal().log.iter().filter(is_of_the_account).count()
}

/// The address of a way to a directory whose answers arrive once they are released.
async fn slow(url: String, released: watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let at = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (url, mut released) = (url.clone(), released.clone());
            tokio::spawn(async move {
                let server = TcpStream::connect(url.trim_start_matches("ldap://")).await.expect("it listens");
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                let asked = copy(&mut from_client, &mut to_server);
                let answered = async {
                    released.wait_for(|released| *released).await.expect("the test goes on");
                    copy(&mut from_server, &mut to_client).await
                };
                // Whoever hangs up first ends it.
                tokio::select! {
                    _ = asked => {}
                    _ = answered => {}
                }
            });
        }
    });
    format!("ldap://{at}")
}

#[tokio::test]
async fn sign_ins_locked_the_bind_account_out_of_a_directory_that_refuses_late() {
    for servers in [1, 2] {
        let mut bureau = Bureau::open().await;
        let (release, released) = watch::channel(false);
        let way = slow(bureau.sandbox.url(), released).await;
        bureau.lead_to(&vec![way.as_str(); servers]);
        bureau.sandbox.faults().inject(Fault::refuse_bind(ResultCode::InvalidCredentials, "no").always());
        for _ in 0..8 {
            let error = bureau.zoe(sample::PASSWORD).await.expect_err("nobody is looked for");
            assert_eq!(error.code, NOT_BEGUN);
        }
        assert!(bureau.desk.next_trouble().is_some_and(|trouble| trouble.failure == Failure::Silent));
        // The next one is sent after eight seconds, or five where there are two servers.
        let tries = bureau.tries();
        assert!(tries <= 6 * servers, "{tries} of {servers} servers");
        let mut news = bureau.spared.news();
        release.send_replace(true);
        news.changed().await.expect("the refusal is noted though nobody waits for it");
        let error = bureau.zoe(sample::PASSWORD).await.expect_err("the account is spared");
        assert!(error.message.contains("not tried again by itself for 10 minutes"), "{}", error.message);
        assert_eq!(bureau.tries(), tries);
    }
}

#[tokio::test]
async fn whoever_waited_for_a_directory_that_refuses_late_was_told_later_than_it_was_known() {
    let mut bureau = Bureau::open().await;
    let (release, released) = watch::channel(false);
    let way = slow(bureau.sandbox.url(), released).await;
    bureau.lead_to(&[&way]);
    bureau.sandbox.faults().inject(Fault::refuse_bind(ResultCode::InvalidCredentials, "no").always());
    for _ in 0..3 {
        bureau.zoe(sample::PASSWORD).await.expect_err("the directory owes an answer");
    }
    let (tries, zoe) = (bureau.tries(), bureau.zoe.clone());
    let check = bureau.sealed(&[ZOES_MAIL], &zoe, sample::PASSWORD);
    // The next bind is to be sent half a second later.
    let (checked, _) = join!(bureau.desk.check(&bureau.config, check), async { release.send_replace(true) });
    let message = checked.expect_err("the account is refused").message;
    assert!(message.contains("refuses cn=readonly"), "{message}");
    assert_eq!(bureau.tries(), tries);
}

#[tokio::test]
async fn a_directory_that_is_slow_let_nobody_in() {
    let mut bureau = Bureau::open().await;
    let (release, released) = watch::channel(false);
    let way = slow(bureau.sandbox.url(), released).await;
    bureau.lead_to(&[&way]);
    bureau.zoe(sample::PASSWORD).await.expect_err("the directory owes an answer");
    let tries = bureau.tries();
    release.send_replace(true);
    let connections = &bureau.desk.connections;
    let late = connections.kept.answered(&bureau.config).await.expect("it is let in");
    connections.keep(&bureau.config, late);
    assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(PasswordOutcome::Ok));
    assert_eq!(bureau.tries(), tries, "the one that was late is used");
}

#[tokio::test]
async fn a_short_silence_of_the_only_server_was_felt_for_ten_seconds() {
    let mut bureau = Bureau::open().await;
    let url = bureau.sandbox.url();
    bureau.lead_to(&[&url]);
    // Two binds are lost, and never answered.
    for _ in 0..2 {
        bureau.sandbox.faults().inject(Fault::stall_bind());
        bureau.zoe(sample::PASSWORD).await.expect_err("the directory owes an answer");
    }
    assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(PasswordOutcome::Ok));
    assert_eq!(bureau.tries(), 3);
}

#[tokio::test]
async fn a_first_server_that_hangs_was_tried_by_everybody_who_signed_in() {
    let hung = Sandbox::builder().start().await.expect("starts");
    hung.faults().inject(Fault::stall_bind().always());
    let mut bureau = Bureau::open().await;
    let url = bureau.sandbox.url();
    bureau.lead_to(&[&hung.url(), &url]);
    for _ in 0..4 {
        assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(PasswordOutcome::Ok));
        // The next one needs another connection.
        bureau.sandbox.faults().inject(Fault::drop_after(0).mentioning(ZOES_MAIL));
    }
    assert_eq!((tries(&hung), bureau.tries()), (1, 4));
    // The first one is back, without its connections, and the second one is gone.
    hung.faults().clear();
    std::mem::replace(&mut bureau.sandbox, hung).stop().await;
    assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(PasswordOutcome::Ok));
    assert_eq!(bureau.tries(), 2);
}

#[tokio::test]
async fn a_second_server_that_was_back_waited_for_the_first_one() {
    let hung = Sandbox::builder().start().await.expect("starts");
    hung.faults().inject(Fault::stall_bind().always());
    let mut bureau = Bureau::open().await;
    let url = bureau.sandbox.url();
    bureau.lead_to(&[&hung.url(), &url]);
    bureau.sandbox.faults().inject(Fault::stall_bind().always());
    while bureau.tries() < 2 {
        bureau.zoe(sample::PASSWORD).await.expect_err("the directory owes an answer");
    }
    bureau.sandbox.faults().clear();
    let mut sign_ins = 1;
    while bureau.zoe(sample::PASSWORD).await != Ok(PasswordOutcome::Ok) {
        sign_ins += 1;
        assert!(sign_ins < 4, "it has its turn with the next pause");
    }
    // Those who come later wait for the first one no more.
    let tries = tries(&hung);
    for _ in 0..2 {
        bureau.sandbox.faults().inject(Fault::drop_after(0).mentioning(ZOES_MAIL));
        assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(PasswordOutcome::Ok));
    }
    assert_eq!(self::tries(&hung), tries);
}

#[tokio::test]
async fn a_password_that_was_mended_waited_for_what_the_one_before_owes() {
    let mut bureau = Bureau::open().await;
    let url = bureau.sandbox.url();
    bureau.lead_to(&[&url]);
    bureau.sandbox.faults().inject(Fault::stall_bind().always());
    while bureau.tries() < 4 {
        bureau.zoe(sample::PASSWORD).await.expect_err("the directory owes an answer");
    }
    bureau.sandbox.faults().clear();
    // SIGHUP.
    bureau.lead_to(&[&url]);
    assert_eq!(bureau.zoe(sample::PASSWORD).await, Ok(PasswordOutcome::Ok));
    assert_eq!(bureau.tries(), 5);
}

#[tokio::test]
async fn an_agent_that_ended_still_waited_for_an_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let mut bureau = Bureau::open().await;
    let url = format!("ldap://{}", listener.local_addr().expect("it is bound"));
    bureau.lead_to(&[&url]);
    let (checked, accepted) = join!(bureau.zoe(sample::PASSWORD), listener.accept());
    checked.expect_err("the directory owes an answer");
    let (mut connection, _) = accepted.expect("the agent connects");
    drop(bureau.desk);
    // It hangs up, after the bind, and before it would give up by itself.
    let mut sent = sink();
    let ended = timeout(ANSWERED_WITHIN / 2, copy(&mut connection, &mut sent)).await;
    ended.expect("it does not wait").expect("an end");
}
