//! adc-server
fn main() {}
