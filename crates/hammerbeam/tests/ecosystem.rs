//! Libraries of the tokio world run unchanged inside processes: over our own sockets, and over tokio's on the background runtime.

mod sockets;

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hammerbeam::io::{TcpListener, TcpStream};
use hammerbeam::{Cx, Down, Exit, Spawn, spawn};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use redis::AsyncCommands as _;
use sockets::{Done, bytes_at, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Runs `count` processes to their end; fails if one does.
async fn crowd<F>(count: usize, body: impl Fn(usize) -> F) -> Done
where
    F: Future<Output = Done> + Send + 'static,
{
    let bodies: Vec<F> = (0..count).map(body).collect();
    let (sender, mut ends) = tokio::sync::mpsc::unbounded_channel();
    spawn(async move |mut cx: Cx<Down>| -> Done {
        for body in bodies {
            Spawn::new()
                .monitor_as(&cx, |down| down)
                .start(move |_: Cx<()>| body)?;
        }
        for _ in 0..count {
            sender.send(cx.recv().await.reason)?;
        }
        Ok(())
    })?;
    for _ in 0..count {
        let reason = ends.recv().await.expect("each process ends");
        assert!(reason.is_normal(), "{reason}");
    }
    Ok(())
}

/// Says what it was asked, in capitals.
async fn shout(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_uppercase();
    let body = request.into_body().collect().await?.to_bytes();
    let body = [path.as_bytes(), b" ", &body.to_ascii_uppercase()].concat();
    Ok(Response::new(Full::new(body.into())))
}

/// An HTTP server over our sockets: a process for each connection.
async fn serve_http(cx: &mut Cx<()>) -> Result<SocketAddr, Exit> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    cx.spawn_link(async move |_: Cx<()>| -> Done {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            spawn(async move |_: Cx<()>| -> Done {
                let io = TokioIo::new(stream);
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service_fn(shout))
                    .await?;
                Ok(())
            })?;
        }
    })?;
    Ok(addr)
}

fn post(uri: String, body: Bytes) -> Request<Full<Bytes>> {
    Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header("host", "localhost")
        .body(Full::new(body))
        .expect("it is well formed")
}

#[test]
fn hyper_serves_and_asks_over_our_sockets() {
    run(async |mut cx| {
        let addr = serve_http(&mut cx).await?;
        crowd(20, |number| async move {
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            spawn(async move |_: Cx<()>| -> Done { Ok(connection.await?) })?;
            for round in 0..50 {
                let request = post(format!("/{number}"), format!("round {round}").into());
                sender.ready().await?;
                let response = sender.send_request(request).await?;
                let heard = response.into_body().collect().await?.to_bytes();
                assert_eq!(heard, format!("/{number} ROUND {round}"));
            }
            let large = Bytes::from(vec![b'x'; 3 << 20]);
            sender.ready().await?;
            let response = sender.send_request(post("/large".into(), large)).await?;
            let heard = response.into_body().collect().await?.to_bytes();
            assert_eq!(heard.len(), "/LARGE ".len() + (3 << 20));
            Ok(())
        })
        .await
    });
}

#[test]
fn hyper_speaks_http2_over_our_sockets() {
    run(async |_| {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        spawn(async move |_: Cx<()>| -> Done {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service_fn(shout))
                .await?;
            Ok(())
        })?;
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await?;
        spawn(async move |_: Cx<()>| -> Done { Ok(connection.await?) })?;
        crowd(50, |number| {
            let mut sender = sender.clone();
            async move {
                let request = post(format!("http://localhost/{number}"), "two".into());
                let response = sender.send_request(request).await?;
                let heard = response.into_body().collect().await?.to_bytes();
                assert_eq!(heard, format!("/{number} TWO"));
                Ok(())
            }
        })
        .await
    });
}

#[test]
fn the_pooled_hyper_client_runs_on_the_background_runtime() {
    run(async |mut cx| {
        let addr = serve_http(&mut cx).await?;
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        crowd(10, |number| {
            let client = client.clone();
            async move {
                for round in 0..20 {
                    let uri = format!("http://{addr}/{number}");
                    let response = client.request(post(uri, round.to_string().into())).await?;
                    let heard = response.into_body().collect().await?.to_bytes();
                    assert_eq!(heard, format!("/{number} {round}"));
                }
                Ok(())
            }
        })
        .await
    });
}

/// A server's and a client's configuration, for "localhost" and a certificate made for this test.
fn tls() -> (TlsAcceptor, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
        .expect("a certificate can be made");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("the key fits");
    let mut roots = RootCertStore::empty();
    roots
        .add(made.cert.der().clone())
        .expect("it is well formed");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server).into(), Arc::new(client).into())
}

#[test]
fn rustls_encrypts_both_ways_over_our_sockets() {
    const SIZE: usize = 4 << 20;
    run(async |mut cx| {
        let (acceptor, connector) = tls();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        cx.spawn_link(async move |mut cx: Cx<()>| -> Done {
            loop {
                let (stream, _) = listener.accept().await?;
                let acceptor = acceptor.clone();
                cx.spawn_link(async move |_: Cx<()>| -> Done {
                    // The handshake too is this process' affair.
                    let mut stream = acceptor.accept(stream).await?;
                    let mut buf = vec![0; 16 << 10];
                    loop {
                        let n = stream.read(&mut buf).await?;
                        if n == 0 {
                            return Ok(stream.shutdown().await?);
                        }
                        stream.write_all(&buf[..n]).await?;
                    }
                })?;
            }
        })?;
        crowd(8, |_| {
            let connector = connector.clone();
            async move {
                let stream = TcpStream::connect(addr).await?;
                let name = ServerName::try_from("localhost")?;
                let stream = connector.connect(name, stream).await?;
                let (mut read, mut write) = tokio::io::split(stream);
                spawn(async move |_: Cx<()>| -> Done {
                    for place in (0..SIZE).step_by(1 << 16) {
                        write.write_all(&bytes_at(place, 1 << 16)).await?;
                    }
                    Ok(write.shutdown().await?)
                })?;
                let mut heard = Vec::new();
                // An end without the protocol's own is an error here.
                read.read_to_end(&mut heard).await?;
                assert!(heard == bytes_at(0, SIZE));
                Ok(())
            }
        })
        .await
    });
}

/// A Redis server with a folder of its own; both are gone when this is dropped.
struct Redis {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Redis {
    fn start() -> Self {
        // Another program may take the port between here and there, so try again.
        for _ in 0..10 {
            let port = std::net::TcpListener::bind("127.0.0.1:0")
                .and_then(|listener| listener.local_addr())
                .expect("there is a free port")
                .port();
            let folder = std::env::temp_dir().join(format!("hammerbeam-redis-{port}"));
            std::fs::create_dir_all(&folder).expect("a scratch folder can be made");
            let child = Command::new("redis-server")
                .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
                .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
                .args(["--logfile", "", "--dir"])
                .arg(&folder)
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("this test needs redis-server: install it (Debian: apt-get install redis-server)");
            let mut server = Self {
                child,
                folder,
                port,
            };
            let log = server.child.stdout.take().expect("it was asked for");
            let ready = BufReader::new(log)
                .lines()
                .map_while(Result::ok)
                .any(|line| line.contains("Ready to accept connections"));
            if ready {
                return server;
            }
        }
        panic!("redis-server does not start");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_redis_crate_shares_a_connection_between_processes() {
    let server = Redis::start();
    let url = format!("redis://127.0.0.1:{}/", server.port);
    run(async move |_| {
        let client = redis::Client::open(url)?;
        let connection = client.get_multiplexed_async_connection().await?;
        crowd(50, |number| {
            let mut redis = connection.clone();
            async move {
                let key = format!("key-{number}");
                for round in 0..20 {
                    let () = redis.set(&key, round).await?;
                    let read: u32 = redis.get(&key).await?;
                    assert_eq!(read, round);
                }
                let (sum, own): (u64, u32) = redis::pipe()
                    .incr("sum", 1)
                    .get(&key)
                    .query_async(&mut redis)
                    .await?;
                assert!((1..=50).contains(&sum));
                assert_eq!(own, 19);
                Ok(())
            }
        })
        .await?;
        let mut redis = connection;
        assert_eq!(redis.get::<_, u64>("sum").await?, 50);
        Ok(())
    });
    drop(server);
}

#[test]
fn tokio_sleeps_inside_a_process() {
    run(async |_| {
        let start = Instant::now();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(start.elapsed() >= Duration::from_millis(20));
        let never = std::future::pending::<()>();
        let late = tokio::time::timeout(Duration::from_millis(1), never).await;
        assert!(late.is_err());
        Ok(())
    });
}

#[test]
fn tokio_sockets_talk_to_ours() {
    run(async |_| {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut theirs = tokio::net::TcpStream::connect(listener.local_addr()?).await?;
        let (mut ours, _) = listener.accept().await?;
        for place in 0..500 {
            theirs.write_all(&bytes_at(place, 3)).await?;
            let mut heard = [0; 3];
            ours.read_exact(&mut heard).await?;
            ours.write_all(&heard).await?;
            theirs.read_exact(&mut heard).await?;
            assert_eq!(heard, *bytes_at(place, 3));
        }
        Ok(())
    });
}

#[test]
fn tokio_blocks_elsewhere_for_a_process() {
    run(async |_| {
        let here = std::thread::current().id();
        let there = tokio::task::spawn_blocking(|| std::thread::current().id()).await?;
        assert_ne!(here, there);
        Ok(())
    });
}

#[test]
fn tokio_reads_and_writes_files_for_a_process() {
    run(async |_| {
        let name = format!("hammerbeam-ecosystem-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        tokio::fs::write(&path, b"on paper").await?;
        assert_eq!(tokio::fs::read(&path).await?, b"on paper");
        tokio::fs::remove_file(&path).await?;
        Ok(())
    });
}

#[test]
fn tokio_tasks_answer_processes() {
    run(async |_| {
        let answer = tokio::spawn(async { Ok::<_, Infallible>(42) }).await?;
        assert_eq!(answer, Ok(42));
        Ok(())
    });
}
