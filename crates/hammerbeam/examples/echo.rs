//! An echo server: a process for each connection.
//!
//! Run it with `cargo run --release --example echo -- 127.0.0.1:4000` and talk to it with `nc 127.0.0.1 4000`; or let it
//! talk to itself: `cargo run --release --example echo -- --try`.

use std::time::Duration;

use hammerbeam::io::{TcpListener, TcpStream};
use hammerbeam::{Cx, Exit, spawn, time};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

const BUFFER: usize = 16 * 1024;

/// Sends back what comes, until the peer sends no more.
async fn echo(mut stream: TcpStream) -> Result<(), Exit> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            stream.shutdown().await?;
            return Ok(());
        }
        stream.write_all(&buffer[..n]).await?;
    }
}

/// Accepts for ever. A connection that fails takes nobody with it.
async fn serve(listener: TcpListener) -> Result<(), Exit> {
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => {
                spawn(move |_: Cx<()>| echo(stream))?;
            }
            // The peer has gone already, or we are out of descriptors: later ones may do.
            Err(error) => {
                eprintln!("cannot accept: {error}");
                time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// Says a few lines and hears them again.
async fn talk(addr: std::net::SocketAddr) -> Result<(), Exit> {
    let mut stream = BufReader::new(TcpStream::connect(addr).await?);
    for line in ["hello", "is there anybody?", "goodbye"] {
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        let mut heard = String::new();
        stream.read_line(&mut heard).await?;
        assert_eq!(heard.trim_end(), line);
        println!("heard: {line}");
    }
    stream.shutdown().await?;
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await?;
    assert!(rest.is_empty(), "it ends when we do");
    println!("three lines went there and back");
    Ok(())
}

fn main() {
    let arg = std::env::args().nth(1);
    let itself = arg.as_deref() == Some("--try");
    let addr = arg
        .filter(|_| !itself)
        .unwrap_or_else(|| "127.0.0.1:0".into());

    let outcome = hammerbeam::run(async move |_cx: Cx<()>| {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        println!("ready on {addr}");
        if itself {
            spawn(move |_: Cx<()>| serve(listener))?;
            talk(addr).await
        } else {
            serve(listener).await
        }
    });
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(exit)) => fail(&exit),
        Err(error) => fail(&error),
    }
}

fn fail(what: &dyn std::fmt::Display) {
    eprintln!("failed: {what}");
    std::process::exit(1);
}
