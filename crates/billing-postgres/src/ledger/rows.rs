//! Rows as `COPY … (FORMAT binary)` takes them.

use std::pin::pin;

use bytes::{BufMut, Bytes, BytesMut};
use futures::SinkExt;
use jiff::Timestamp;
use tokio_postgres::CopyInSink;
use uuid::Uuid;

use crate::columns;
use crate::session::Session;
use crate::transaction::Failure;

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// So many bytes go to the server at a time.
const PIECE: usize = 64 * 1024;
/// About the largest row.
const ROW_MAX: usize = 512;

/// One row; its columns must follow in their order.
pub(super) struct Row<'a>(&'a mut BytesMut);

impl Row<'_> {
    pub(super) fn uuid(&mut self, id: Uuid) -> &mut Self {
        self.0.put_i32(16);
        self.0.put_slice(id.as_bytes());
        self
    }

    pub(super) fn bigint(&mut self, number: i64) -> &mut Self {
        self.0.put_i32(8);
        self.0.put_i64(number);
        self
    }

    pub(super) fn smallint(&mut self, number: i16) -> &mut Self {
        self.0.put_i32(2);
        self.0.put_i16(number);
        self
    }

    pub(super) fn instant(&mut self, at: Timestamp) -> &mut Self {
        self.bigint(columns::instant(at).0)
    }

    /// Texts of this schema are far below 2 GiB.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.0.put_i32(i32::try_from(text.len()).unwrap_or(i32::MAX));
        self.0.put_slice(text.as_bytes());
        self
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.0.put_i32(-1);
        self
    }
}

/// Copies all in by this statement, each as a row of so many columns. They are framed a piece at a time: the server works on one
/// while the next is made, and no more than that is held of them.
pub(super) async fn copy<T: Sync>(
    session: &Session,
    sql: &str,
    columns: i16,
    all: &[T],
    put: impl Fn(&mut Row<'_>, &T) -> Result<(), Failure> + Send,
) -> Result<(), Failure> {
    let statement = session.statement(sql).await?;
    let sink: CopyInSink<Bytes> = session.client.copy_in(&statement).await?;
    let mut sink = pin!(sink);
    let mut piece = BytesMut::with_capacity(PIECE + ROW_MAX);
    piece.put_slice(HEADER);
    for one in all {
        piece.put_i16(columns);
        put(&mut Row(&mut piece), one)?;
        if piece.len() >= PIECE {
            let full = std::mem::replace(&mut piece, BytesMut::with_capacity(PIECE + ROW_MAX));
            sink.feed(full.freeze()).await?;
        }
    }
    piece.put_i16(-1);
    sink.feed(piece.freeze()).await?;
    let copied = sink.finish().await?;
    let is_all = usize::try_from(copied).is_ok_and(|copied| copied == all.len());
    if is_all { Ok(()) } else { Err(Failure::Broken("not every row was copied")) }
}
