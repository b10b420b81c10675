//! A plain HTTP/1.1 server for the emulators' routers.
//!
//! Promised: an answer marked [`ConnectionReset`] closes the socket without a byte.

use std::io;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::faults::ConnectionReset;

/// Serves `router` on `listener` until the future is dropped.
///
/// # Errors
/// The listener failed for good.
pub async fn serve(listener: TcpListener, router: Router) -> io::Result<()> {
    loop {
        let (socket, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_connection_error(&error) => continue,
            Err(error) => return Err(error),
        };
        // Small answers must not wait for the other side's delayed acknowledgement.
        let _ = socket.set_nodelay(true);
        let router = router.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: http::Request<Incoming>| {
                let router = router.clone();
                async move {
                    let answer = router.oneshot(request.map(axum::body::Body::new)).await;
                    let response = answer.unwrap_or_else(|never| match never {});
                    match response.extensions().get::<ConnectionReset>() {
                        Some(_) => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
                        None => Ok(response),
                    }
                }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            // A client that goes away is everyday; there is nobody to tell.
            let _ = connection.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
