//! Serves the sample company until interrupted, for hand tests:
//!
//! ```text
//! cargo run -p adc-sandbox --example serve -- 3890
//! ldapsearch -x -H ldap://127.0.0.1:3890 -D cn=readonly,dc=example,dc=com -w readonly -b dc=example,dc=com
//! ```

use std::error::Error;
use std::net::Ipv4Addr;

use adc_sandbox::{Sandbox, sample};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let sandbox = Sandbox::builder().listener(listener).start().await?;
    println!("{} {} {}", sandbox.url(), sample::READONLY_DN, sample::READONLY_PASSWORD);
    std::future::pending().await
}
