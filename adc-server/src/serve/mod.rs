//! The server: a listener, a shutdown, and the API between them.

mod bind;
mod inner;
mod listener;
mod signals;
mod supervisor;
mod tls;

pub use bind::listen;
pub use signals::{hangups, shutdown_signal};
pub use supervisor::reload_at;
pub use tls::{Tls, TlsFiles};

use crate::{
    api::{self, AppState, health::Metrics},
    clock::Clock,
    hosted::{Connectors, Offer},
    hub::Hub,
    runs::Engine,
    scheduler::Scheduler,
    sign_in::Door,
    store::Store,
};
use adc::systemd;
use axum::{Router, serve::ListenerExt};
use inner::Entrance;
use listener::TlsListener;
use std::{net::SocketAddr, time::Duration};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// How long requests under way may take after the shutdown: a stop ends within 10 seconds, all told.
const GRACE: Duration = Duration::from_secs(9);

/// What a server needs beside its listener.
pub struct Options {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// TLS, or none on loopback and behind a proxy.
    pub tls: Option<Tls>,
    /// The address people reach it at, for links in reports.
    pub public_url: String,
    /// How many proxies in front are believed when they say who asks (`X-Forwarded-For`).
    pub trusted_hops: usize,
    /// Which connectors this control plane runs itself.
    pub hosted: Offer,
}

/// Serves until `shutdown` ends, then finishes what is under way, for at most 9 seconds.
pub async fn serve(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
    options: Options,
) -> anyhow::Result<()> {
    let engine = Engine::new(options.store.clone(), options.clock.clone(), &options.public_url);
    engine.recover().await?;
    let hub = Hub::new(engine.clone(), options.store.clone(), options.clock.clone());
    let metrics = Metrics::of_this_process();
    let stop = CancellationToken::new();

    // Dropped, and with them ended, when this function returns.
    let mut background = JoinSet::new();
    background.spawn(metrics.clone().upkeep());
    background.spawn({
        let (engine, stop) = (engine.clone(), stop.clone());
        async move { engine.watch_leases(stop.cancelled_owned()).await }
    });
    background.spawn(hub.clone().work());
    background.spawn(Scheduler::new(engine.clone(), options.store.clone(), options.clock.clone()).work());
    background.spawn({
        let stop = stop.clone();
        async move {
            shutdown.await;
            systemd::stopping("finishing what is under way");
            stop.cancel();
        }
    });

    background.spawn(supervisor::tell(hub.clone(), engine.pulse().clone(), options.tls.clone()));

    let Options { store, clock, trusted_hops, hosted, .. } = options;
    let connectors = Connectors::new(store.clone(), hosted);
    let entrance = Entrance::open(&connectors).await?;
    let door = Door::new(store.clone(), hub.clone(), clock.clone());
    let state = AppState {
        store,
        clock,
        engine,
        hub: hub.clone(),
        connectors,
        tokens: None,
        door,
        trusted_hops,
        metrics,
    };
    let hosting = {
        let (state, stop) = (state.clone(), stop.clone());
        async move {
            if let Some(entrance) = entrance {
                entrance.host(state, stop).await;
            }
        }
    };
    let answering = async {
        let answered = answer(listener, options.tls, api::router(state), stop.clone()).await;
        // Also where it failed: the links are ended either way.
        stop.cancel();
        answered
    };
    let draining = async {
        stop.cancelled().await;
        hub.drain().await;
    };
    // Links are no requests to the listener; they are ended beside it.
    let (answered, (), ()) = tokio::join!(answering, draining, hosting);
    answered
}

async fn answer(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let stopped = stop.clone().cancelled_owned();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = async {
        if let Some(tls) = tls {
            // Whoever taps a listener is told the address at the other end.
            let listener = TlsListener::new(listener, tls)?.tap_io(|_| {});
            axum::serve(listener, service).with_graceful_shutdown(stopped).await
        } else {
            let listener = listener.tap_io(listener::without_delay);
            axum::serve(listener, service).with_graceful_shutdown(stopped).await
        }
    };
    let deadline = async {
        stop.cancelled().await;
        tracing::info!("shutting down");
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = served => result?,
        () = deadline => tracing::warn!("some requests were not done {GRACE:?} after the shutdown; they are cut off"),
    }
    Ok(())
}
