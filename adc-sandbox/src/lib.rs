//! adc-sandbox
