//! A long answer on its way: filled by a task that waits for the client, given up when the client takes nothing or too
//! little or nothing more comes, and broken off, rather than ended, when it cannot be finished.

use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use futures::Stream;
use futures::stream::try_unfold;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

/// A client that takes nothing for so long is cut.
const STALL_TIME_MAX: Duration = Duration::from_secs(60);
/// A store that says nothing for so long is not waited for.
const SILENCE_TIME_MAX: Duration = Duration::from_secs(150);
/// What a client takes at least, once it has taken the first mebibyte: few answers may be under way, and whoever dribbles
/// one would keep its place for as long as he likes.
const PACE: Pace = Pace { free: 1024 * 1024, bytes: 64 * 1024, time: Duration::from_secs(5) };
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
pub(crate) struct Filler {
    pieces: Sender<Piece>,
    pace: Pace,
    /// Bytes.
    handed_on: u64,
    /// For the client, since the free bytes were handed on.
    waited: Duration,
}

/// `bytes` in each `time` that the client is waited for, on average, after the first `free` ones.
#[derive(Clone, Copy, Debug)]
struct Pace {
    free: u64,
    bytes: u64,
    time: Duration,
}

impl Pace {
    /// How long the client may still be waited for, who was waited for that long while it was handed so much.
    fn patience(self, handed_on: u64, waited: Duration) -> Duration {
        let Some(counted) = handed_on.checked_sub(self.free) else { return STALL_TIME_MAX };
        let times = u32::try_from(counted / self.bytes).unwrap_or(u32::MAX).saturating_add(1);
        self.time.saturating_mul(times).saturating_sub(waited).min(STALL_TIME_MAX)
    }
}

/// Why no more is taken.
#[derive(Debug, thiserror::Error)]
#[error("the client is gone or takes too little")]
pub(crate) struct Gone;

impl Filler {
    /// Hands a piece on, when the client has taken what was handed on before.
    ///
    /// # Errors
    /// [`Gone`].
    pub(crate) async fn put(&mut self, bytes: impl Into<Bytes>) -> Result<(), Gone> {
        let (bytes, began) = (bytes.into(), Instant::now());
        let patience = self.pace.patience(self.handed_on, self.waited);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.pieces.send_timeout(Piece::Bytes(bytes), patience).await.map_err(|_| Gone)?;
        if self.handed_on >= self.pace.free {
            self.waited += began.elapsed();
        }
        self.handed_on = self.handed_on.saturating_add(length);
        Ok(())
    }

    /// Says that this was all.
    ///
    /// # Errors
    /// [`Gone`].
    pub(crate) async fn end(self) -> Result<(), Gone> {
        self.pieces.send_timeout(Piece::End, STALL_TIME_MAX).await.map_err(|_| Gone)
    }
}

/// Both ends of an answer.
pub(crate) fn answer() -> (Filler, impl Stream<Item = Result<Bytes, BrokenOff>>) {
    answer_at(PACE)
}

fn answer_at(pace: Pace) -> (Filler, impl Stream<Item = Result<Bytes, BrokenOff>>) {
    let (sender, pieces) = channel(WAITING_MAX);
    let next = async |mut pieces: Receiver<Piece>| match timeout(SILENCE_TIME_MAX, pieces.recv()).await {
        Ok(Some(Piece::Bytes(bytes))) => Ok(Some((bytes, pieces))),
        Ok(Some(Piece::End)) => Ok(None),
        Ok(None) | Err(_) => Err(BrokenOff),
    };
    let filler = Filler { pieces: sender, pace, handed_on: 0, waited: Duration::ZERO };
    (filler, try_unfold(pieces, next))
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    #[actix_web::test]
    async fn what_is_not_ended_is_broken_off() {
        for (is_ended, expected) in [(true, vec![true, true]), (false, vec![true, true, false])] {
            let (mut filler, pieces) = answer();
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
        let (mut filler, pieces) = answer();
        drop(pieces);
        assert!(filler.put(&b"a"[..]).await.is_err());
    }

    #[test]
    fn who_takes_little_is_waited_for_in_proportion() {
        let (mebi, secs) = (1024 * 1024, Duration::from_secs);
        for (handed_on, waited, expected) in [
            (0, 0, 60),
            (mebi - 1, 0, 60),
            (mebi, 0, 5),
            (mebi, 5, 0),
            (mebi + 64 * 1024, 5, 5),
            (mebi + 10 * 64 * 1024, 30, 25),
            (mebi + 10 * 64 * 1024, 60, 0),
            (100 * mebi, 100, 60),
            (u64::MAX, 3_600, 60),
        ] {
            assert_eq!(PACE.patience(handed_on, secs(waited)), secs(expected), "{handed_on} {waited}");
        }
    }

    /// One takes each piece when it is there, another one dribbles: a piece in twice the time that it may take.
    #[actix_web::test]
    async fn who_dribbles_is_cut() {
        let time = Duration::from_millis(20);
        for (between, is_cut) in [(Duration::ZERO, false), (2 * time, true)] {
            let (mut filler, pieces) = answer_at(Pace { free: 64, bytes: 64, time });
            let fill = async move {
                for _ in 0..200 {
                    filler.put(vec![0; 64]).await?;
                }
                filler.end().await
            };
            let take = pieces.for_each(|_| tokio::time::sleep(between));
            let (filled, ()) = futures::join!(fill, take);
            assert_eq!(filled.is_err(), is_cut, "{between:?}");
        }
    }
}
