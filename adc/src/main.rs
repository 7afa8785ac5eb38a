//! adc
fn main() {}
