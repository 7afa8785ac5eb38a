//! adc-server
