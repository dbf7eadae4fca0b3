//! Statements that a connection keeps prepared: asked again, they cost no round trip and no planning of their own.
//!
//! For statements whose text is one of a few. One with values in its text would fill the connection's memory.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Untyped;

/// A statement written by hand, which the query builder would otherwise prepare anew each time.
pub(crate) struct Prepared<Q>(Q);

/// Says of a statement that its text is one of a few.
pub(crate) trait Prepare: Sized {
    /// Kept from now on.
    fn prepared(self) -> Prepared<Self>;
}

impl<Q: QueryFragment<Pg>> Prepare for Q {
    fn prepared(self) -> Prepared<Self> {
        Prepared(self)
    }
}

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Prepared<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q> QueryId for Prepared<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q> Query for Prepared<Q> {
    type SqlType = Untyped;
}
