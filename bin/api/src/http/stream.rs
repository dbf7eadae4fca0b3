//! A long answer on its way: filled by a task that waits for the client, given up when the client takes nothing or nothing
//! more comes, and broken off, rather than ended, when it cannot be finished.

use std::time::Duration;

use actix_web::web::Bytes;
use futures::Stream;
use futures::stream::try_unfold;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

/// A client that takes nothing for so long is cut.
const STALL_TIME_MAX: Duration = Duration::from_secs(60);
/// A store that says nothing for so long is not waited for.
const SILENCE_TIME_MAX: Duration = Duration::from_secs(150);
/// Pieces that wait for the client.
const WAITING_MAX: usize = 4;

/// The answer is not whole.
#[derive(Debug, thiserror::Error)]
#[error("the answer is broken off")]
pub(crate) struct BrokenOff;

enum Piece {
    Bytes(Bytes),
    End,
}

/// The end that is filled. Dropped before [`Filler::end`], it breaks the answer off.
pub(crate) struct Filler(Sender<Piece>);

/// Why no more is taken.
#[derive(Debug, thiserror::Error)]
#[error("the client is gone or takes nothing")]
pub(crate) struct Gone;

impl Filler {
    /// Hands a piece on, when the client has taken what was handed on before.
    ///
    /// # Errors
    /// [`Gone`].
    pub(crate) async fn put(&self, bytes: impl Into<Bytes>) -> Result<(), Gone> {
        self.0.send_timeout(Piece::Bytes(bytes.into()), STALL_TIME_MAX).await.map_err(|_| Gone)
    }

    /// Says that this was all.
    ///
    /// # Errors
    /// [`Gone`].
    pub(crate) async fn end(self) -> Result<(), Gone> {
        self.0.send_timeout(Piece::End, STALL_TIME_MAX).await.map_err(|_| Gone)
    }
}

/// Both ends of an answer.
pub(crate) fn answer() -> (Filler, impl Stream<Item = Result<Bytes, BrokenOff>>) {
    let (filler, pieces) = channel(WAITING_MAX);
    let next = async |mut pieces: Receiver<Piece>| match timeout(SILENCE_TIME_MAX, pieces.recv()).await {
        Ok(Some(Piece::Bytes(bytes))) => Ok(Some((bytes, pieces))),
        Ok(Some(Piece::End)) => Ok(None),
        Ok(None) | Err(_) => Err(BrokenOff),
    };
    (Filler(filler), try_unfold(pieces, next))
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    #[actix_web::test]
    async fn what_is_not_ended_is_broken_off() {
        for (is_ended, expected) in [(true, vec![true, true]), (false, vec![true, true, false])] {
            let (filler, pieces) = answer();
            filler.put(&b"a"[..]).await.unwrap();
            filler.put(&b"b"[..]).await.unwrap();
            if is_ended {
                filler.end().await.unwrap();
            } else {
                drop(filler);
            }
            let taken: Vec<bool> = pieces.map(|piece| piece.is_ok()).collect().await;
            assert_eq!(taken, expected);
        }
    }

    #[actix_web::test]
    async fn a_client_that_has_left_is_noticed() {
        let (filler, pieces) = answer();
        drop(pieces);
        assert!(filler.put(&b"a"[..]).await.is_err());
    }
}
