//! How long a sign-in takes through an agent, beside the directory's own answer to the same password.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use adc_tests::{Company, Scene, Slapd};
use anyhow::{Context, Result, ensure};
use serde_json::json;

/// People who sign in, one after the other and again.
const PEOPLE: usize = 100;
/// Sign-ins that are timed one by one.
const ONE_BY_ONE: usize = 1_000;
/// Sign-ins by several at once, to see how many go through.
const AT_ONCE: usize = 8;
const OF_EACH: usize = 200;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logins {
    /// The directory's own connection and bind, p50 and p99.
    pub(crate) bind: [Duration; 2],
    /// What a login takes longer than that, p50 and p99.
    pub(crate) added: [Duration; 2],
    /// Logins of several people at once, in a second.
    pub(crate) per_second: f64,
}

/// Signs people in.
pub(crate) fn measure() -> Result<Logins> {
    eprintln!("{ONE_BY_ONE} sign-ins");
    let company = Company::new("dc=lg,dc=local").ou("people").crowd(PEOPLE);
    let scene = Scene::between(company.clone(), Slapd::builder(&company).start());
    scene.imp();
    let mut agent = scene.agent.start(&["run"]);
    let connected = |line: &str| line.contains("connected to the control plane").then_some(());
    agent.daemon().wait_for("its link", connected)?;
    // The first sign-in opens what the others find open.
    (0..PEOPLE).try_for_each(|person| login(&scene, person).map(drop))?;

    let (mut binds, mut added) = (Vec::new(), Vec::new());
    for number in 0..ONE_BY_ONE {
        let person = number % PEOPLE;
        let own = bind(scene.directory.port(), &scene.dn(&name(person)))?;
        binds.push(own);
        added.push(login(&scene, person)?.saturating_sub(own));
    }
    let started = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|offset| {
                let api = scene.control_plane.api(&scene.synchronization);
                scope.spawn(move || {
                    (0..OF_EACH)
                        .try_for_each(|number| login_by(&api, (offset * OF_EACH + number) % PEOPLE).map(drop))
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("fails with an error"))
    })?;
    #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
    let per_second = (AT_ONCE * OF_EACH) as f64 / started.elapsed().as_secs_f64();
    Ok(Logins { bind: percentiles(binds), added: percentiles(added), per_second })
}

fn name(person: usize) -> String {
    format!("user{:05}", person + 1)
}

fn login(scene: &Scene, person: usize) -> Result<Duration> {
    login_by(&scene.api, person)
}

fn login_by(api: &adc_tests::Api, person: usize) -> Result<Duration> {
    let credentials =
        json!({ "username": format!("{}@lg.local", name(person)), "password": Company::PERSON_PASSWORD });
    let started = Instant::now();
    let answer = api.post("/login", &credentials);
    ensure!(answer.status == 200, "a right password was refused: {}", answer.body);
    Ok(started.elapsed())
}

/// A connection, and a simple bind (RFC 4511 section 4.2) with the person's own name.
fn bind(port: u16, dn: &str) -> Result<Duration> {
    let started = Instant::now();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    let name = element(0x04, dn.as_bytes());
    let password = element(0x80, Company::PERSON_PASSWORD.as_bytes());
    let request = element(0x60, &[&[0x02, 1, 3], &name[..], &password].concat());
    stream.write_all(&element(0x30, &[&[0x02, 1, 1], &request[..]].concat()))?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).context("slapd does not answer")?;
    // The result code of a response without a word more is its eleventh byte or so: an enumeration of one byte.
    let code = answer[..length].windows(3).find(|bytes| bytes[..2] == [0x0a, 1]).map(|bytes| bytes[2]);
    ensure!(code == Some(0), "slapd refuses a right password: {code:?}");
    Ok(started.elapsed())
}

/// A BER element of less than 64 KiB.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("names are short").to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

fn percentiles(mut times: Vec<Duration>) -> [Duration; 2] {
    times.sort_unstable();
    [50, 99].map(|percent| times[(times.len() * percent).div_ceil(100) - 1])
}
