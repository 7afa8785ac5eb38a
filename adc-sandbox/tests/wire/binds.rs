use adc_sandbox::{Behaviour, ResultCode, Sandbox, sample};
use ldap3::Scope;
use ldap3::exop::{WhoAmI, WhoAmIResp};
use ldap3_proto::proto::{LdapBindCred, LdapBindRequest, LdapOp, SaslCredentials};

use crate::client::{bound, connect, sandbox, search, search_for};
use crate::raw::{self, Raw};

async fn identity(ldap: &mut ldap3::Ldap) -> String {
    let (response, _) = ldap.extended(WhoAmI).await.unwrap().success().unwrap();
    response.parse::<WhoAmIResp>().authzid
}

#[tokio::test]
async fn the_bind_account_binds_in_any_spelling_of_its_name() {
    let sandbox = sandbox().await;
    let mut ldap = connect(&sandbox).await;
    assert_eq!(identity(&mut ldap).await, "", "anonymous");
    let bind = ldap.simple_bind("CN=ReadOnly, dc=EXAMPLE,dc=com", sample::READONLY_PASSWORD).await.unwrap();
    assert_eq!(bind.rc, 0);
    assert_eq!(identity(&mut ldap).await, format!("dn:{}", sample::READONLY_DN));
}

#[tokio::test]
async fn people_bind_with_their_own_password() {
    let sandbox = sandbox().await;
    let mut ldap = connect(&sandbox).await;
    assert_eq!(ldap.simple_bind(sample::JANE_DOE, sample::PASSWORD).await.unwrap().rc, 0);
    assert_eq!(ldap.simple_bind(sample::JANE_DOE, sample::READONLY_PASSWORD).await.unwrap().rc, 49);
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_get_the_same_answer() {
    let sandbox = sandbox().await;
    let mut ldap = connect(&sandbox).await;
    let wrong_password = ldap.simple_bind(sample::READONLY_DN, "guess").await.unwrap();
    let wrong_name = ldap.simple_bind("cn=nobody,dc=example,dc=com", "guess").await.unwrap();
    assert_eq!(wrong_password.rc, 49);
    assert_eq!((wrong_name.rc, &wrong_name.text), (49, &wrong_password.text));
    assert_eq!(wrong_name.matched, wrong_password.matched);
}

#[tokio::test]
async fn a_bind_without_password_succeeds_and_proves_nothing() {
    let sandbox = sandbox().await;
    let mut raw = Raw::connect(&sandbox).await;
    raw.send(raw::bind(sample::READONLY_DN, "")).await;
    let LdapOp::BindResponse(response) = raw.receive().await.op else { panic!("no bind response") };
    assert_eq!(response.res.code, ResultCode::Success);
    raw.send(raw::who_am_i()).await;
    let LdapOp::ExtendedResponse(response) = raw.receive().await.op else { panic!("no extended response") };
    assert_eq!(response.value.unwrap_or_default(), b"", "still anonymous");
}

#[tokio::test]
async fn a_refused_bind_leaves_nobody_bound() {
    let sandbox = sandbox().await;
    let mut ldap = bound(&sandbox).await;
    assert_eq!(ldap.simple_bind(sample::READONLY_DN, "guess").await.unwrap().rc, 49);
    assert_eq!(search(&mut ldap, "(cn=*)").await.1.rc, 50);
}

#[tokio::test]
async fn anonymous_searches_see_the_root_dse_only_unless_allowed() {
    let sandbox = sandbox().await;
    let mut ldap = connect(&sandbox).await;
    assert_eq!(search_for(&mut ldap, "", Scope::Base, "(objectClass=*)", &["+"]).await.1.rc, 0);
    assert_eq!(search(&mut ldap, "(uid=zoe.mueller)").await.1.rc, 50);

    let mut open = Behaviour::default();
    open.anonymous_search = true;
    sandbox.set_behaviour(open);
    assert_eq!(search(&mut ldap, "(uid=zoe.mueller)").await.0.len(), 1);
}

#[tokio::test]
async fn other_versions_and_methods_are_refused_by_their_codes() {
    let sandbox = sandbox().await;
    let mut raw = Raw::connect(&sandbox).await;
    let mut answer = async |version, cred| {
        raw.send(LdapOp::BindRequest(LdapBindRequest { version, dn: String::new(), cred })).await;
        let LdapOp::BindResponse(response) = raw.receive().await.op else { panic!("no bind response") };
        response.res.code
    };
    let password = || LdapBindCred::Simple("secret".to_owned());
    let sasl =
        LdapBindCred::SASL(SaslCredentials { mechanism: "EXTERNAL".to_owned(), credentials: Vec::new() });
    assert_eq!(answer(2, password()).await, ResultCode::ProtocolError);
    assert_eq!(answer(3, sasl).await, ResultCode::AuthMethodNotSupported);
    assert_eq!(answer(3, password()).await, ResultCode::InvalidCredentials);
}

#[tokio::test]
async fn a_stopped_server_frees_its_port_and_cuts_its_connections() {
    let sandbox = sandbox().await;
    let addr = sandbox.addr();
    let raw = Raw::bound(&sandbox).await;
    sandbox.stop().await;
    assert_eq!(raw.rest().await.len(), 0);
    let listener = tokio::net::TcpListener::bind(addr).await.expect("the port is free");
    let again = Sandbox::builder().listener(listener).start().await.unwrap();
    assert_eq!(again.addr(), addr);
    bound(&again).await;
}

#[tokio::test]
async fn a_dropped_server_cuts_its_connections() {
    let sandbox = sandbox().await;
    let raw = Raw::bound(&sandbox).await;
    drop(sandbox);
    assert_eq!(raw.rest().await.len(), 0);
}
