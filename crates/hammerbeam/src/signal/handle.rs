//! Handling signals: what a process does with those that have reached it.
//!
//! Runs on the thread that owns the process: before a poll, within a receive, and at the end. Messages go to the inbox in the
//! order of arrival, signals take effect at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use crate::mailbox::inbox::Taken;
use crate::mailbox::node::{Owned, Payload};
use crate::mailbox::{deliver, limit};
use crate::process::block::Header;
use crate::process::extension::{Ends, Extension, Trap, Watch};
use crate::process::{Exit, Pid, panics};
use crate::signal::{Down, ExitSignal, Info, MonitorRef, Signal};

/// Takes everything off the word: messages into the inbox, signals into effect.
///
/// When an exit signal ends the process, `ending` is set and the rest stays unhandled for [`refuse`].
pub(crate) fn take_all(header: &Header) {
    let slot = header.slot;
    if slot.word.is_empty() {
        return;
    }
    let generation = slot.generation();
    // SAFETY: the caller owns the process. No reference is held while user code (a mapping, a destructor) runs.
    let push = |node| unsafe { (*header.inbox.get()).push_back(node) };
    let before = slot.inbox.load(Ordering::Relaxed);
    let newest = {
        let _alone = limit::lock_against_trimming(slot);
        slot.word.take(|count| {
            // Raised before the word's own count falls, so that the length seen from outside never dips below the truth.
            slot.inbox
                .store(before.saturating_add(count as u32), Ordering::Relaxed);
        })
    };
    let mut added = 0;
    // SAFETY: what `take` returned is ours.
    for node in unsafe { Taken::oldest_first(newest) } {
        if node.generation() != generation {
            // Addressed to a process that had this slot before.
            refuse_node(header.number(), node);
            continue;
        }
        match node.payload() {
            Payload::Message => {
                push(node);
                added += 1;
            }
            Payload::Info | Payload::Told => accept(header, node),
            Payload::Aliased => {
                // It drops the message if the alias has ended.
                let opened =
                    catch_unwind(AssertUnwindSafe(|| (header.table.unalias)(header, node)));
                match opened {
                    Ok(None) => {}
                    Ok(Some(node)) => {
                        push(node);
                        added += 1;
                    }
                    Err(payload) => {
                        end(header, panics::reason("a message's destructor", &*payload));
                        panics::discard(payload);
                    }
                }
            }
            Payload::Signal => {
                // SAFETY: only signals have this kind.
                let signal = unsafe { node.into_value::<Signal>() };
                if header.ending.get() {
                    refuse(header.pid(), signal);
                    continue;
                }
                // A mapping that panics ends this process, and those whose signals come after are still answered.
                let told = catch_unwind(AssertUnwindSafe(|| handle(header, generation, signal)));
                match told {
                    Ok(None) => {}
                    Ok(Some(told)) => accept(header, told),
                    Err(payload) => {
                        end(header, panics::reason("a mapping", &*payload));
                        panics::discard(payload);
                    }
                }
            }
        }
    }
    if added > 0 {
        header.fresh.set(true);
    }
    slot.inbox
        .store(before.saturating_add(added), Ordering::Relaxed);
    limit::trim(header);
}

/// Tells the running process something, behind what has arrived already and whatever the limit of its mailbox is.
pub(crate) fn tell(header: &Header, told: Owned) {
    take_all(header);
    accept(header, told);
}

fn accept(header: &Header, told: Owned) {
    let length = &header.extension_or_new().told;
    length.store(length.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    // SAFETY: the caller owns the process.
    unsafe { (*header.inbox.get()).push_back(told) };
    header.fresh.set(true);
}

/// What a mapping function makes of what there is to tell. Its panic is the process' own, and ends it.
fn mapped(header: &Header, map: impl FnOnce() -> Owned) -> Option<Owned> {
    match catch_unwind(AssertUnwindSafe(map)) {
        Ok(node) => Some(node),
        Err(payload) => {
            end(header, panics::reason("a mapping function", &*payload));
            panics::discard(payload);
            None
        }
    }
}

/// One signal. Returns what the process is told, if anything.
fn handle(header: &Header, generation: u64, signal: Signal) -> Option<Owned> {
    match signal {
        Signal::ExitOrder { from, reason } => ordered(header, generation, from, reason),
        Signal::LinkExit { from, ends, reason } => {
            linked_exit(header, generation, from, ends, reason)
        }
        Signal::Link { from, number } => {
            let extension = header.extension_or_new();
            let new = Ends {
                order: extension.number(),
                ..Ends::default()
            };
            let mut relations = extension.relations.lock();
            relations.links.entry(from).or_insert(new).theirs = Some(number);
            None
        }
        Signal::Unlink { from, ends } => {
            unlink(header, from, ends);
            None
        }
        Signal::Monitor { from, number } => {
            let extension = header.extension_or_new();
            let order = extension.number();
            let mut relations = extension.relations.lock();
            relations.watchers.insert((number, from), order);
            None
        }
        Signal::Demonitor { from, number } => {
            let mut relations = header.extension()?.relations.lock();
            relations.watchers.remove(&(number, from));
            None
        }
        Signal::Down {
            number,
            pid,
            reason,
        } => down(header, generation, number, Some(pid), reason),
    }
}

/// An order to end that was sent to this process.
fn ordered(header: &Header, generation: u64, from: Option<Pid>, reason: Exit) -> Option<Owned> {
    if matches!(reason, Exit::Kill) {
        end(header, Exit::Killed);
        return None;
    }
    let trap = trap(header);
    match trap {
        Trap::Off if reason.is_normal() && from != Some(header.pid()) => None,
        Trap::Off => {
            end(header, reason);
            None
        }
        trap => mapped(header, || {
            tell_exit(trap, generation, ExitSignal { from, reason })
        }),
    }
}

/// A linked process ended.
fn linked_exit(
    header: &Header,
    generation: u64,
    from: Pid,
    known: Ends,
    reason: Exit,
) -> Option<Owned> {
    let map = {
        let extension = header.extension()?;
        let mut relations = extension.relations.lock();
        let ends = relations.links.get(&from).copied()?;
        // A signal of a link that was taken back, while a newer link stands, is not for us.
        let same = (ends.mine.is_some() && ends.mine == known.theirs)
            || (ends.theirs.is_some() && ends.theirs == known.mine);
        if !same {
            return None;
        }
        relations.links.remove(&from);
        relations.link_maps.remove(&from)
    };
    let signal = ExitSignal {
        from: Some(from),
        reason,
    };
    if let Some(map) = map {
        return mapped(header, move || map(generation, signal));
    }
    match trap(header) {
        Trap::Off if signal.reason.is_normal() => None,
        Trap::Off => {
            end(header, signal.reason);
            None
        }
        trap => mapped(header, || tell_exit(trap, generation, signal)),
    }
}

/// The other side took back the link as it knew it.
fn unlink(header: &Header, from: Pid, known: Ends) {
    let Some(extension) = header.extension() else {
        return;
    };
    let _map;
    let mut relations = extension.relations.lock();
    let Some(ends) = relations.links.get_mut(&from) else {
        return;
    };
    if known.theirs.is_some() && ends.mine == known.theirs {
        ends.mine = None;
    }
    if known.mine.is_some() && ends.theirs == known.mine {
        ends.theirs = None;
    }
    if ends.is_none() {
        relations.links.remove(&from);
        // Dropped without the lock.
        _map = relations.link_maps.remove(&from);
    }
}

/// A monitor fires. Also used for a target that did not exist.
pub(crate) fn down(
    header: &Header,
    generation: u64,
    number: u64,
    pid: Option<Pid>,
    reason: Exit,
) -> Option<Owned> {
    let watch = {
        let mut relations = header.extension()?.relations.lock();
        // What another process is told under this number is none of ours.
        if pid.is_some_and(|pid| {
            relations
                .watching
                .get(&number)
                .is_some_and(|w| w.target != pid)
        }) {
            return None;
        }
        relations.watching.remove(&number)?
    };
    let down = Down {
        monitor: MonitorRef {
            watcher: header.pid(),
            number,
        },
        pid,
        reason,
    };
    match watch.map {
        Some(map) => mapped(header, || map(generation, down)),
        None => Some(Owned::info(generation, Info::Down(down))),
    }
}

/// Tells an exit signal to a process that traps.
pub(crate) fn tell_exit(trap: Trap, generation: u64, signal: ExitSignal) -> Owned {
    match trap {
        Trap::Message(map) => map(generation, signal),
        Trap::Info | Trap::Off => Owned::info(generation, Info::Exit(signal)),
    }
}

pub(crate) fn trap(header: &Header) -> Trap {
    header
        .extension()
        .map_or(Trap::Off, |extension| extension.trap.borrow().clone())
}

/// The process ends as soon as its poll returns. The first reason counts.
pub(crate) fn end(header: &Header, reason: Exit) {
    if !header.ending.replace(true) {
        *header.extension_or_new().reason.borrow_mut() = Some(reason);
    }
}

/// Tells everybody who is linked to or watches a process that it has ended.
pub(crate) fn announce(pid: Pid, extension: &Extension, reason: &Exit) {
    let (links, watchers, watching, maps) = {
        let mut relations = extension.relations.lock();
        (
            std::mem::take(&mut relations.links),
            std::mem::take(&mut relations.watchers),
            std::mem::take(&mut relations.watching),
            std::mem::take(&mut relations.link_maps),
        )
    };
    let mut links: Vec<_> = links.into_iter().collect();
    links.sort_unstable_by_key(|(_, ends)| ends.order);
    for (peer, ends) in links {
        let reason = reason.clone();
        deliver::signal(
            peer,
            Signal::LinkExit {
                from: pid,
                ends,
                reason,
            },
        );
    }
    let mut watchers: Vec<_> = watchers.into_iter().collect();
    watchers.sort_unstable_by_key(|(_, order)| *order);
    for ((number, watcher), _) in watchers {
        let reason = reason.clone();
        deliver::signal(
            watcher,
            Signal::Down {
                number,
                pid,
                reason,
            },
        );
    }
    for (number, Watch { target, map }) in watching {
        deliver::signal(target, Signal::Demonitor { from: pid, number });
        panics::contain("a mapping's destructor", || drop(map));
    }
    for map in maps.into_values() {
        panics::contain("a mapping's destructor", || drop(map));
    }
}

/// What came for a process that has ended, of whatever generation of its slot: requests are answered, the rest is dropped.
pub(crate) fn refuse_node(slot: u32, node: Owned) {
    let pid = Pid::local(slot, node.generation());
    panics::contain("a message's destructor", || {
        if node.payload() == Payload::Signal {
            // SAFETY: only signals have this kind.
            refuse(pid, unsafe { node.into_value::<Signal>() });
        } else {
            drop(node);
        }
    });
}

/// Answers a signal that reached a process too late.
pub(crate) fn refuse(pid: Pid, signal: Signal) {
    match signal {
        Signal::Link { from, number } => {
            let ends = Ends {
                mine: None,
                theirs: Some(number),
                order: 0,
            };
            let reason = Exit::NoProc;
            deliver::signal(
                from,
                Signal::LinkExit {
                    from: pid,
                    ends,
                    reason,
                },
            );
        }
        Signal::Monitor { from, number } => {
            let reason = Exit::NoProc;
            deliver::signal(
                from,
                Signal::Down {
                    number,
                    pid,
                    reason,
                },
            );
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::word::{Kind, Push};
    use crate::process::{Cx, current, table};
    use crate::world::deterministic::Deterministic;

    /// A request whose sender was held up between its look at the generation and its exchange, while the process ended and its slot
    /// got the next one.
    fn slip(to: Pid, signal: Signal) {
        let slot = table::slot_of(to).unwrap();
        let link = Owned::signal(to.generation() - 1, signal).into_link();
        // SAFETY: the node is ours and aligned.
        match unsafe { slot.word.push(link, Kind::Signal, |_| true) } {
            Push::Delivered => {}
            Push::Wake => deliver::wake_won(slot),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_that_slips_past_the_end_of_its_process_is_answered() {
        Deterministic::new(1)
            .run(async |mut cx: Cx<()>| {
                let next = crate::spawn(async |mut cx: Cx<()>| cx.recv().await).unwrap();
                let pid = next.pid();
                let gone = Pid::local(pid.slot(), pid.generation() - 1);
                let me = cx.pid();
                let number = current::with_process(|header| {
                    let extension = header.extension_or_new();
                    let number = extension.number();
                    let watch = Watch {
                        target: gone,
                        map: None,
                    };
                    extension.relations.lock().watching.insert(number, watch);
                    number
                })
                .unwrap();
                slip(pid, Signal::Monitor { from: me, number });
                let Info::Down(down) = cx.recv_info().await else {
                    panic!("not a Down");
                };
                assert_eq!((down.pid, down.reason), (Some(gone), Exit::NoProc));
                assert!(pid.is_alive(), "it was not meant");
            })
            .unwrap();
    }
}
