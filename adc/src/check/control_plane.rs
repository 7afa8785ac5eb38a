//! The way to the control plane.

use super::{Hop, Report, Timer};
use crate::config::Config;
use crate::control_plane::{ControlPlane, ControlPlaneError};
use crate::exit::Exit;

/// The protocol tells a policy to runs alone, and a check opens none.
const ACCEPTED: &str = "Application ID and Secret Token are accepted; what the control plane's policy asks of the directory \
                        is tried by `adc imp --dry-run`";

/// Tests whether the control plane answers, and whether it believes the credentials.
pub(super) async fn check(config: &Config, report: &mut Report) {
    let timer = Timer::start();
    let url = &config.server.url;
    let control_plane = match ControlPlane::new(&config.server) {
        Ok(control_plane) => control_plane,
        Err(error) => {
            return report.add(Hop::failed("control-plane", timer, &error).at(url), Exit::ControlPlane);
        }
    };
    let answer = control_plane.probe().await;
    let certificate = control_plane.certificate();
    match &answer {
        Err(
            error @ (ControlPlaneError::Unreachable { .. }
            | ControlPlaneError::Tls { .. }
            | ControlPlaneError::NotAControlPlane { .. }),
        ) => {
            let hop = Hop::failed("control-plane", timer, error).at(url).with_certificate(certificate);
            return report.add(hop, Exit::ControlPlane);
        }
        _ => report.add(
            Hop::ok("control-plane", timer, "answers").at(url).with_certificate(certificate),
            Exit::ControlPlane,
        ),
    }
    let hop = match &answer {
        Ok(()) => Hop::ok("credentials", timer, ACCEPTED),
        Err(error) => Hop::failed("credentials", timer, error),
    };
    report.add(hop.at(&config.server.application_id), Exit::ControlPlane);
}
