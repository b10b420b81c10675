//! A way to a server that can fall silent, as a network does that lost a machine. The server does
//! not learn of it: it keeps the connections from before.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

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
