//! adc-core
