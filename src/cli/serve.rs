//! `serve`: a live page of one or many sweeps.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use tokio::signal;

use super::{console, exit::Refusal};
use crate::serve::{Server, Token};

/// Arguments of `serve`.
#[derive(Args)]
#[command(after_help = "Examples:
  sweepscope serve results              all sweeps, side by side
  sweepscope serve results/demo --port 9000

On another machine, reach it through a tunnel: ssh -L 8642:localhost:8642 HOST, then open http://localhost:8642/")]
pub struct Arguments {
    /// Folder of a sweep's results, or of many sweeps
    results: PathBuf,
    /// Port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 8642)]
    port: u16,
    /// Address to listen on; with any but this machine's own, the page asks for a token
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Ask for a token in any case: where other people use this machine too
    #[arg(long)]
    token: bool,
}

/// Serves until Ctrl-C or SIGTERM.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let Arguments { results, port, bind, token } = arguments;
    if !results.is_dir() {
        return Err(Refusal::wrong(format!("{} is no folder; give results or results/demo", results.display())));
    }
    let needs_token = *token || !bind.is_loopback();
    let token = needs_token.then(Token::new).transpose();
    let token = token.map_err(|e| Refusal::wrong(format!("failed to make a token: {e}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Refusal::wrong(format!("failed to start: {e}")))?;
    let served = runtime.block_on(async {
        let cannot = |e| {
            Refusal::wrong(format!(
                "failed to listen on {bind} port {port}: {e}; name another --port, or 0 for any that is free"
            ))
        };
        let server = Server::bind(*bind, *port, token.clone(), results.clone()).await.map_err(cannot)?;
        say_where(&server, token.as_ref());
        let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())
            .map_err(|e| Refusal::wrong(format!("failed to listen for signals: {e}")))?;
        tokio::select! {
            served = server.serve() => served.map_err(|e| Refusal::wrong(format!("failed to serve: {e}"))),
            _ = signal::ctrl_c() => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    });
    // Looking at a sweep may be under way; nothing is lost with it.
    runtime.shutdown_background();
    served.map(|()| ExitCode::SUCCESS)
}

fn say_where(server: &Server, token: Option<&Token>) {
    let address = server.address();
    let token_text = token.map(|token| format!("?token={}", token.text())).unwrap_or_default();
    console::answer(&format!("http://{address}/{token_text}\n"));
    if !address.ip().is_loopback() {
        console::note(
            "Other machines can reach this page. It is not encrypted, and whoever has the token can read it; a tunnel is safer: ssh -L 8642:localhost:8642 HOST",
        );
    }
    console::note("Ctrl-C ends it.");
}
