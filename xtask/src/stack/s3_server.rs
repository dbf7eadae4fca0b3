//! An S3 server over a folder: signatures and presigned URLs are verified, a conditional PUT is atomic.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

/// What the server serves.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address to listen on.
    #[arg(long)]
    listen: SocketAddr,
    /// Folder whose subfolders are the buckets.
    #[arg(long)]
    folder: PathBuf,
}

/// Names of the variables that hold the only key pair that may sign.
pub(crate) const ACCESS_KEY: &str = "S3_ACCESS_KEY";
pub(crate) const SECRET_KEY: &str = "S3_SECRET_KEY";

/// Serves until the process is stopped.
pub(crate) async fn run(args: Args) -> Result<()> {
    let variable = |name| std::env::var(name).with_context(|| format!("{name} is not set"));
    let folder = args.folder.display();
    let files = s3s_fs::FileSystem::new(&args.folder).map_err(|error| anyhow!("cannot serve {folder}: {error:?}"))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(variable(ACCESS_KEY)?, variable(SECRET_KEY)?));
    let service = builder.build();
    let conditional = Arc::new(Mutex::new(()));

    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    loop {
        let (socket, _) = listener.accept().await.context("cannot accept a connection")?;
        // An answer's head and body are written one after the other: the second would wait for the first's confirmation.
        socket.set_nodelay(true).context("cannot set a connection up")?;
        let (service, conditional) = (service.clone(), Arc::clone(&conditional));
        let answer = service_fn(move |request: hyper::Request<Incoming>| {
            let (service, conditional) = (service.clone(), Arc::clone(&conditional));
            async move {
                // The library looks first and writes later: one at a time makes that one step.
                let _turn = match request.headers().contains_key("if-none-match") {
                    true => Some(conditional.lock_owned().await),
                    false => None,
                };
                service.call(request.map(s3s::Body::from)).await
            }
        });
        tokio::spawn(async move {
            let mut http = hyper::server::conn::http1::Builder::new();
            let connection = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), answer);
            if let Err(error) = connection.await {
                eprintln!("connection: {error:?}");
            }
        });
    }
}
