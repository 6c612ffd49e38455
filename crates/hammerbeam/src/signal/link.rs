//! Links: two processes that share their end.
//!
//! **Promise.** G7: a link is set on both sides or on neither, whatever the two sides do at the same moment. G8: one exit signal per
//! link.
//! **State.** Each side keeps, per peer, the number of the link request that *it* sent and of the one it *got*. The link stands
//! while either is there. An unlink or an exit carries the numbers its sender knew, and takes away just those: so one that was
//! sent before a newer link cannot hit it.
//! **Ends.** A request that finds no process is answered with an exit signal `NoProc`.

use crate::mailbox::deliver;
use crate::process::block::Header;
use crate::process::extension::{Ends, MapExit, Trap};
use crate::process::{Exit, Pid};
use crate::signal::{ExitSignal, Signal, handle};

/// A link could not be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The process has ended, and the caller does not trap exits.
    #[error("cannot link to {0}: no such process")]
    NoProc(Pid),
}

pub(crate) fn link(
    header: &Header,
    me: Pid,
    peer: Pid,
    map: Option<MapExit>,
) -> Result<(), LinkError> {
    if peer == me {
        return Ok(());
    }
    let extension = header.extension_or_new();
    let _replaced;
    let number = {
        let mut relations = extension.relations.lock();
        if let Some(map) = &map {
            // Dropped without the lock.
            _replaced = relations.link_maps.insert(peer, map.clone());
        }
        if relations.links.contains_key(&peer) {
            return Ok(());
        }
        let number = extension.number();
        let ends = Ends {
            mine: Some(number),
            theirs: None,
            order: number,
        };
        relations.links.insert(peer, ends);
        number
    };
    if deliver::try_signal(peer, Signal::Link { from: me, number }).is_ok() {
        return Ok(());
    }
    {
        let mut relations = extension.relations.lock();
        relations.links.remove(&peer);
        relations.link_maps.remove(&peer);
    }
    let signal = ExitSignal {
        from: Some(peer),
        reason: Exit::NoProc,
    };
    let told = match (map, handle::trap(header)) {
        (Some(map), _) => map(me.generation(), signal),
        (None, Trap::Off) => return Err(LinkError::NoProc(peer)),
        (None, trap) => handle::tell_exit(trap, me.generation(), signal),
    };
    handle::tell(header, told);
    Ok(())
}

pub(crate) fn unlink(header: &Header, me: Pid, peer: Pid) {
    let Some(extension) = header.extension() else {
        return;
    };
    let (ends, _map) = {
        let mut relations = extension.relations.lock();
        let map = relations.link_maps.remove(&peer);
        (relations.links.remove(&peer), map)
    };
    if let Some(ends) = ends {
        // To an ended process nothing is said: its exit signal will find no link.
        let _ = deliver::try_signal(peer, Signal::Unlink { from: me, ends });
    }
}
