//! A list as a CSV file: every row, read page by page as the client takes them. What goes wrong with the first page is a
//! problem; after that the transfer breaks off.

use actix_web::HttpResponse;
use billing_domain::ports::PortError;

use super::call::Call;
use crate::http::answer;
use crate::http::csv::{Cell, lines};
use crate::http::problem::Problem;
use crate::http::stream::{self, Filler};
use crate::services::{Seeing, Store};

/// Rows, and the place after which more follow.
type Page<T, K> = (Vec<T>, Option<K>);

/// How a list looks as a file.
pub(super) struct Sheet<T> {
    pub(super) file_name: String,
    pub(super) columns: Vec<&'static str>,
    /// The fields of a row, by column.
    pub(super) fields: fn(&T) -> Result<Vec<Cell>, Problem>,
}

impl<T: Send + 'static> Sheet<T> {
    /// The file; `next` reads the page after a place.
    ///
    /// # Errors
    /// When the first page cannot be written.
    pub(super) fn answer<S, K, F>(
        self,
        call: &Call<S>,
        (rows, after): Page<T, K>,
        next: impl Fn(S, K) -> F + Send + Sync + 'static,
    ) -> Result<HttpResponse, Problem>
    where
        S: Store,
        K: Send + 'static,
        F: Future<Output = Result<Page<T, K>, PortError>> + Send + 'static,
    {
        let mut head = lines([self.columns.iter().map(Cell::text).collect()])?;
        head.extend(self.lines(&rows)?);
        let (filler, body) = stream::answer();
        let (services, trace_id) = (call.services.clone(), call.trace.trace_id.clone());
        let response = answer::csv_stream(&self.file_name, body);
        call.services.spawn(async move {
            if let Err(why) = self.fill(&services, filler, head, after, next).await {
                tracing::info!(trace_id, why, "a list is broken off");
            }
        });
        Ok(response)
    }

    /// Until all are out; why not.
    async fn fill<S, K, F>(
        self,
        services: &Seeing<S>,
        mut filler: Filler,
        head: Vec<u8>,
        mut after: Option<K>,
        next: impl Fn(S, K) -> F,
    ) -> Result<(), String>
    where
        S: Store,
        K: Send + 'static,
        F: Future<Output = Result<Page<T, K>, PortError>> + Send + 'static,
    {
        filler.put(head).await.map_err(|gone| gone.to_string())?;
        while let Some(place) = after {
            let page = services.run(|store| next(store, place)).await;
            let (rows, then) = page.map_err(|problem| problem.cause())?;
            let bytes = self.lines(&rows).map_err(|problem| problem.cause())?;
            filler.put(bytes).await.map_err(|gone| gone.to_string())?;
            after = then;
        }
        filler.end().await.map_err(|gone| gone.to_string())
    }

    fn lines(&self, rows: &[T]) -> Result<Vec<u8>, Problem> {
        lines(rows.iter().map(self.fields).collect::<Result<Vec<_>, _>>()?)
    }
}
