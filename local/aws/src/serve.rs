use std::future::Future;
use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

/// How long [`serve`] waits for calls under way when it is told to stop.
const GRACE: Duration = Duration::from_millis(500);

/// Serves `app` until `stop` is ready, then for half a second more what is under way, and no longer: a call that
/// hangs does not keep the server up.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop.await;
        let _ = stopping.send(());
    });
    tokio::select! {
        result = server => result,
        () = async {
            // An error means that the server has ended by itself; then the other branch is ready.
            let _ = stopped.await;
            #[expect(
                clippy::disallowed_methods,
                reason = "this waits for sockets, which follow no clock of ours"
            )]
            tokio::time::sleep(GRACE).await;
        } => Ok(()),
    }
}
