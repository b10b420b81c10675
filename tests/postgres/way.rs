//! A way to a server that can fall silent, as a network does that lost a machine: the server does
//! not learn of it and keeps the connections from before. And a way that is long.

use std::time::Duration;

use liveagent_bridge::clock::Clock;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// What the way to the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Nothing arrives, nothing is refused.
    Silent,
}

/// A way to the server; connections from before a silence are cut when it ends.
pub async fn way_to(server: &url::Url, state: &watch::Sender<Way>) -> url::Url {
    let to = format!("{}:{}", server.host_str().unwrap(), server.port().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut address = server.clone();
    address.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    let states = state.subscribe();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass(client, to.clone(), states.clone()));
        }
    });
    address
}

/// A way on which everything takes this long, each way.
pub async fn far_from(server: &url::Url, each_way: Duration) -> url::Url {
    let to = format!("{}:{}", server.host_str().unwrap(), server.port().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut address = server.clone();
    address.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(&to).await else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            carry(from_client, to_server, each_way);
            carry(from_server, to_client, each_way);
        }
    });
    address
}

/// Carries bytes, each after the same time and in their order.
fn carry(
    mut from: impl AsyncRead + Unpin + Send + 'static,
    mut to: impl AsyncWrite + Unpin + Send + 'static,
    each_way: Duration,
) {
    let (sender, mut carried) = mpsc::channel(1_024);
    let clock = Clock::system();
    let reader = clock.clone();
    tokio::spawn(async move {
        let mut bytes = vec![0; 16_384];
        while let Ok(read @ 1..) = from.read(&mut bytes).await {
            let due = reader.now().mono.plus(each_way);
            if sender.send((due, bytes[..read].to_vec())).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((due, bytes)) = carried.recv().await {
            clock.until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    });
}

async fn pass(mut client: TcpStream, to: String, mut state: watch::Receiver<Way>) {
    let open = *state.borrow_and_update() == Way::Open;
    if open {
        let Ok(mut server) = TcpStream::connect(&to).await else { return };
        let (mut up, mut down) = (vec![0; 16_384], vec![0; 16_384]);
        loop {
            tokio::select! {
                read = client.read(&mut up) => match read {
                    Ok(read @ 1..) if server.write_all(&up[..read]).await.is_ok() => {}
                    _ => return,
                },
                read = server.read(&mut down) => match read {
                    Ok(read @ 1..) if client.write_all(&down[..read]).await.is_ok() => {}
                    _ => return,
                },
                () = until(&mut state, Way::Silent) => break,
            }
        }
        tokio::spawn(async move {
            let _kept = server;
            std::future::pending::<()>().await;
        });
    }
    until(&mut state, Way::Open).await;
}

async fn until(state: &mut watch::Receiver<Way>, wanted: Way) {
    let _ = state.wait_for(|state| *state == wanted).await;
}
