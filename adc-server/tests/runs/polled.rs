//! Requests that are stopped, or left for a while, at any step of theirs.

use std::{future::poll_fn, pin::pin, task::Poll};

/// What a future gives if it gets there within so many polls; else it is left half way.
pub(crate) async fn polled<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}
