//! A trial that panics has failed, and those after it are still run.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

/// The future's result, or what it panicked with.
pub(super) async fn caught<T>(mut future: Pin<Box<dyn Future<Output = T>>>) -> Result<T, String> {
    std::future::poll_fn(|context| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(words(&*panic))),
        }
    })
    .await
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_and_a_value_is_returned() {
        assert_eq!(caught(Box::pin(async { 7 })).await, Ok(7));
        let failed = caught::<()>(Box::pin(async { panic!("no {}", "luck") })).await;
        assert_eq!(failed, Err("no luck".to_owned()));
    }
}
