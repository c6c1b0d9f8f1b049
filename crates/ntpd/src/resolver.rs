//! Names to addresses, beside the loop: getaddrinfo on a thread that ends when it is idle.

use std::net::IpAddr;

use ntp_proto::system::SourceId;
use tokio::sync::mpsc;

/// What a resolution came to.
pub(crate) type Answer = (SourceId, Result<Vec<IpAddr>, String>);

/// Starts resolutions and collects their answers.
#[derive(Debug)]
pub(crate) struct Resolver {
    sender: mpsc::UnboundedSender<Answer>,
    receiver: mpsc::UnboundedReceiver<Answer>,
}

impl Resolver {
    /// With nothing under way. The channel holds at most one answer a source: each is asked for
    /// again only after it has been answered.
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { sender, receiver }
    }

    /// Starts one; its answer comes out of [`Self::answer`].
    pub(crate) fn start(&self, source: SourceId, name: String) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let answer = found
                .map(|addresses| addresses.map(|address| address.ip()).collect())
                .map_err(|error| error.to_string());
            // Nobody listens any more only while the daemon ends.
            drop(sender.send((source, answer)));
        });
    }

    /// Waits for the next answer.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        self.receiver.recv().await
    }
}
