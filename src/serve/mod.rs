//! The live page of one or many sweeps, served to this machine's browsers. It only ever reads.
//!
//! | module | does |
//! | --- | --- |
//! | `guard` | who may ask |
//! | `routes` | what can be asked for |
//! | `sweeps` | the sweeps in the folder of results, side by side |
//! | `watch` | looks at a sweep again and again while somebody watches |
//! | `parts` | what a page holds, sent as it changes |

mod guard;
mod parts;
mod routes;
mod sweeps;
mod watch;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use tokio::net::TcpListener;

use guard::Guard;
pub use guard::Token;
use routes::Site;

/// A server that listens but does not answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    token: Option<Token>,
    results: PathBuf,
}

impl Server {
    /// Listens at `bind`; port 0 is any that is free. With a token only those who know it are answered.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn bind(bind: IpAddr, port: u16, token: Option<Token>, results: PathBuf) -> io::Result<Self> {
        let listener = TcpListener::bind((bind, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, token, results })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers for ever.
    ///
    /// # Errors
    /// If the system takes the address away.
    pub async fn serve(self) -> io::Result<()> {
        let guard = Guard::new(self.address, self.token);
        let site = Arc::new(Site::new(self.results));
        axum::serve(self.listener, routes::router(site, guard)).await
    }
}
