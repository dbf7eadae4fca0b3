//! Messages that were on the stream and never recorded.

use std::future::Future;

use jiff::Timestamp;

use super::PortError;

/// How far the stream has been dealt with, as the stream tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamFloor {
    /// When the stream was made. One that is made anew counts from the beginning again.
    pub created_at: Timestamp,
    /// The sequence number before its first.
    pub base: u64,
    /// Nothing up to this sequence number is on the stream and unacknowledged any more. What was acknowledged is
    /// committed, for the commit comes first; the rest is lost.
    pub settled: u64,
    /// The last sequence number that was given out.
    pub last: u64,
}

/// A row of sequence numbers whose messages are neither recorded nor on the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamGap {
    /// When the stream was made.
    pub stream_created_at: Timestamp,
    /// The first that is missing.
    pub first: u64,
    /// The last that is missing.
    pub last: u64,
    /// When the last message before it was published, if that is known.
    pub published_after: Option<Timestamp>,
    /// When the first message after it was published, if there is one.
    pub published_before: Option<Timestamp>,
    /// When it was found.
    pub found_at: Timestamp,
}

impl StreamGap {
    /// How many messages are missing.
    #[must_use]
    pub fn messages(&self) -> u64 {
        (self.last + 1).saturating_sub(self.first)
    }
}

/// What a look at the stream found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamCheck {
    /// Gaps that were not known.
    pub found: Vec<StreamGap>,
    /// Messages missing since ever.
    pub missing: u64,
}

/// Compares what was recorded with what was on the stream.
pub trait StreamWatch {
    /// Checks what has been settled since the last look, up to a floor that was read from the stream before this call.
    /// `None` while another pod does so.
    fn check_stream(
        &self,
        floor: &StreamFloor,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<StreamCheck>, PortError>> + Send;

    /// When the newest stream was made that was looked at, and up to which sequence number it was done with then.
    fn recorded_floor(&self) -> impl Future<Output = Result<Option<(Timestamp, u64)>, PortError>> + Send;

    /// The gaps that were found, oldest first.
    fn gaps(&self) -> impl Future<Output = Result<Vec<StreamGap>, PortError>> + Send;
}
