//! What the compiled files ask of the thread they run on: it is no worker, so it keeps no memory.

pub(crate) mod current {
    use crate::mailbox::pool::Pool;

    pub(crate) struct Local {
        pub(crate) pool: Pool,
    }

    pub(crate) fn with_local<R>(_: impl FnOnce(&Local) -> R) -> Option<R> {
        None
    }
}
