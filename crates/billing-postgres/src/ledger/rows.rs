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
/// So many bytes go to the server at a time: it works on them while the next are framed.
const CHUNK: usize = 64 * 1024;

/// Rows of so many columns each.
pub(super) struct Rows {
    bytes: BytesMut,
    columns: i16,
    rows: u64,
}

impl Rows {
    /// Room for `rows` rows of about `row_bytes` bytes.
    pub(super) fn new(columns: i16, rows: usize, row_bytes: usize) -> Self {
        let mut bytes = BytesMut::with_capacity(HEADER.len() + rows * row_bytes + 2);
        bytes.put_slice(HEADER);
        Self { bytes, columns, rows: 0 }
    }

    /// Begins a row; its columns must follow.
    pub(super) fn begin(&mut self) -> &mut Self {
        self.bytes.put_i16(self.columns);
        self.rows += 1;
        self
    }

    pub(super) fn uuid(&mut self, id: Uuid) -> &mut Self {
        self.bytes.put_i32(16);
        self.bytes.put_slice(id.as_bytes());
        self
    }

    pub(super) fn bigint(&mut self, number: i64) -> &mut Self {
        self.bytes.put_i32(8);
        self.bytes.put_i64(number);
        self
    }

    pub(super) fn smallint(&mut self, number: i16) -> &mut Self {
        self.bytes.put_i32(2);
        self.bytes.put_i16(number);
        self
    }

    pub(super) fn instant(&mut self, at: Timestamp) -> &mut Self {
        self.bigint(columns::instant(at).0)
    }

    /// Texts of this schema are far below 2 GiB.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes.put_i32(i32::try_from(text.len()).unwrap_or(i32::MAX));
        self.bytes.put_slice(text.as_bytes());
        self
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.bytes.put_i32(-1);
        self
    }

    /// Copies the rows in by this statement.
    pub(super) async fn copy(mut self, session: &Session, sql: &str) -> Result<(), Failure> {
        self.bytes.put_i16(-1);
        let statement = session.statement(sql).await?;
        let sink: CopyInSink<Bytes> = session.client.copy_in(&statement).await?;
        let mut sink = pin!(sink);
        while !self.bytes.is_empty() {
            let chunk = self.bytes.split_to(CHUNK.min(self.bytes.len())).freeze();
            sink.feed(chunk).await?;
        }
        let copied = sink.finish().await?;
        if copied == self.rows { Ok(()) } else { Err(Failure::Broken("not every row was copied")) }
    }
}
