//! Starting processes.
//!
//! **Promise.** G11: whatever is asked of a start (link, monitor, name, label, limit) is true before the body's first instruction.
//! **Order.** Slot, name, block, relations, published, queued: nobody can find a process that is not complete.
//! **Tested by** `tests/spawn.rs`, `tests/races.rs`.

use std::any::TypeId;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::mailbox::MailboxLimit;
use crate::process::block::Header;
use crate::process::extension::{Ends, Extension, MapDown, Watch};
use crate::process::{Addr, Cx, IntoExit, Pid, block, current, cx, table};
use crate::registry::{Name, RegisterError};
use crate::runtime::Shared;
use crate::signal::{Down, MonitorRef};

/// Reductions for starting a process: a parent that does nothing else gives way after some hundred children.
const SPAWN_COST: i32 = 10;

/// Starts a process. It runs when a worker gets to it; the caller does not wait.
///
/// Starting costs reductions; a loop that starts thousands should [`step`](crate::Cx::step) in between.
///
/// In Erlang: `spawn/1`.
///
/// # Errors
/// [`SpawnError`]: not inside a runtime, or the runtime is full or stopping.
///
/// ```
/// use hammerbeam::{Cx, Exit, send, spawn};
/// hammerbeam::run(async |mut cx: Cx<String>| {
///     let parent = cx.addr();
///     spawn(async move |cx: Cx<()>| send(parent, format!("hello from {}", cx.pid())))?;
///     assert!(cx.recv().await.starts_with("hello"));
///     Ok::<_, Exit>(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
pub fn spawn<M, B, F>(body: B) -> Result<Addr<M>, SpawnError>
where
    M: Send + 'static,
    B: FnOnce(Cx<M>) -> F,
    F: Future + Send + 'static,
    F::Output: IntoExit,
{
    current::with_runtime(|runtime| {
        let place = reserve(runtime)?;
        let process = block::allocate::<M, F>(
            place.number,
            place.slot,
            runtime.into(),
            runtime.age(),
            body(Cx::of(place.pid())),
        );
        Ok(Addr::of(place.publish(process, None)))
    })
    .unwrap_or(Err(SpawnError::NoRuntime))
}

/// A process could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The calling thread is not inside a runtime.
    #[error(
        "cannot spawn: this thread is not inside a hammerbeam runtime; use `run` or `Runtime::enter`"
    )]
    NoRuntime,
    /// The runtime holds as many processes as it was told to.
    #[error("cannot spawn: all {limit} process slots are in use; see `Builder::max_processes`")]
    Full {
        /// The runtime's limit.
        limit: usize,
    },
    /// The runtime is stopping.
    #[error("cannot spawn: the runtime is stopping")]
    Stopping,
    /// A link or monitor was asked for, but the caller is not a process, or not the one that the monitor was made for.
    #[error(
        "cannot spawn with a link or monitor: the caller is not a process, or not the one it was made for"
    )]
    NotInProcess,
    /// The name is taken.
    #[error("cannot spawn: {0}")]
    Name(#[from] RegisterError),
}

/// A process that was started by [`Spawn::start`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Spawned<M> {
    /// Its address.
    pub addr: Addr<M>,
    /// The monitor, if one was asked for.
    pub monitor: Option<MonitorRef>,
}

/// How to start a process: what is set here is true before its body runs.
///
/// Links and monitors are to the calling process.
///
/// In Erlang: `spawn_opt/2`.
///
/// ```
/// use hammerbeam::{Cx, Down, Exit, Name, Spawn, send};
/// const WORKER: Name<u32> = Name::new("worker");
/// enum Msg { Gone(Down) }
///
/// hammerbeam::run(async |mut cx: Cx<Msg>| {
///     Spawn::new()
///         .name(WORKER)
///         .label("adds numbers")
///         .monitor_as(&cx, Msg::Gone)
///         .start(async |mut cx: Cx<u32>| {
///             cx.recv().await;
///         })?;
///     send(WORKER, 7)?;
///     let Msg::Gone(down) = cx.recv().await;
///     assert!(down.reason.is_normal());
///     Ok::<_, Exit>(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
#[must_use = "nothing is started before `start`"]
#[derive(Default)]
pub struct Spawn {
    link: bool,
    monitor: Option<Option<MapDown>>,
    /// For whom the mapping of the monitor was made.
    watcher: Option<Pid>,
    name: Option<(&'static str, TypeId)>,
    label: Option<Arc<str>>,
    limit: Option<MailboxLimit>,
}

impl std::fmt::Debug for Spawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spawn")
            .field("link", &self.link)
            .field("monitor", &self.monitor.is_some())
            .field("name", &self.name.map(|(name, _)| name))
            .field("label", &self.label)
            .field("limit", &self.limit)
            .finish()
    }
}

impl Spawn {
    /// Nothing but the process.
    pub fn new() -> Self {
        Self::default()
    }

    /// Links it to the calling process.
    pub fn link(mut self) -> Self {
        self.link = true;
        self
    }

    /// Has the calling process monitor it; the `Down` comes as [`Info::Down`](crate::Info::Down).
    pub fn monitor(mut self) -> Self {
        self.monitor = Some(None);
        self.watcher = None;
        self
    }

    /// Has the calling process monitor it; the `Down` comes as a message of the caller's own type. Only `caller` can start it then.
    pub fn monitor_as<P: Send + 'static>(
        mut self,
        caller: &Cx<P>,
        map: impl FnOnce(Down) -> P + Send + 'static,
    ) -> Self {
        self.monitor = Some(Some(cx::map_down(map)));
        self.watcher = Some(caller.pid());
        self
    }

    /// Registers it under a name.
    pub fn name<M: 'static>(mut self, name: Name<M>) -> Self {
        self.name = Some((name.as_str(), TypeId::of::<M>()));
        self
    }

    /// A label for [`process_info`](crate::process_info) and crash reports.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// A limit for its mailbox.
    pub fn mailbox_limit(mut self, limit: MailboxLimit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// [`SpawnError`]: no runtime, full, stopping, the name is taken, or link or monitor asked for outside a process.
    pub fn start<M, B, F>(self, body: B) -> Result<Spawned<M>, SpawnError>
    where
        M: Send + 'static,
        B: FnOnce(Cx<M>) -> F,
        F: Future + Send + 'static,
        F::Output: IntoExit,
    {
        current::with_runtime(|runtime| {
            let parent = current::self_pid();
            let strange = self.watcher.is_some() && self.watcher != parent;
            if strange || (self.link || self.monitor.is_some()) && parent.is_none() {
                return Err(SpawnError::NotInProcess);
            }
            let place = reserve(runtime)?;
            let child = place.pid();
            let body = body(Cx::of(child));
            let name = match self.name {
                Some((name, message)) => Some(runtime.names.reserve(name, child, message)?),
                None => None,
            };
            let process = block::allocate::<M, F>(
                place.number,
                place.slot,
                runtime.into(),
                runtime.age(),
                body,
            );
            let header = process.header();
            let monitor = self.monitor.map(|map| {
                let number = current::with_process(|parent| set_watch(parent, child, map))
                    .expect("looked for above");
                let watcher = parent.expect("looked for above");
                let extension = header.extension_or_new();
                let order = extension.number();
                let mut relations = extension.relations.lock();
                relations.watchers.insert((number, watcher), order);
                MonitorRef { watcher, number }
            });
            if let (true, Some(parent)) = (self.link, parent) {
                current::with_process(|me| set_link(me.extension_or_new(), child, header, parent));
            }
            if name.is_some() || self.label.is_some() || self.link {
                let mut relations = header.extension_or_new().relations.lock();
                relations.names.extend(name.clone());
                relations.label = self.label;
                relations.parent = parent;
            }
            place
                .slot
                .limit
                .store(MailboxLimit::encode(self.limit), Ordering::Relaxed);
            let addr = Addr::of(place.publish(process, name.as_deref()));
            Ok(Spawned { addr, monitor })
        })
        .unwrap_or(Err(SpawnError::NoRuntime))
    }
}

fn set_watch(parent: &Header, child: Pid, map: Option<MapDown>) -> u64 {
    let extension = parent.extension_or_new();
    let number = extension.number();
    let watch = Watch { target: child, map };
    extension.relations.lock().watching.insert(number, watch);
    number
}

fn set_link(parent: &Extension, child: Pid, header: &Header, parent_pid: Pid) {
    let number = parent.number();
    let mine = Ends {
        mine: Some(number),
        theirs: None,
        order: number,
    };
    let extension = header.extension_or_new();
    let theirs = Ends {
        mine: None,
        theirs: Some(number),
        order: extension.number(),
    };
    parent.relations.lock().links.insert(child, mine);
    extension.relations.lock().links.insert(parent_pid, theirs);
}

/// A slot that is reserved; given back if nothing is published in it.
struct Place<'a> {
    runtime: &'a Shared,
    number: u32,
    slot: &'static table::Slot,
    published: bool,
}

fn reserve(runtime: &Shared) -> Result<Place<'_>, SpawnError> {
    runtime.admit()?;
    current::spend(SPAWN_COST);
    match table::allocate() {
        Some((number, slot)) => Ok(Place {
            runtime,
            number,
            slot,
            published: false,
        }),
        None => {
            runtime.process_ended();
            Err(SpawnError::Full {
                limit: 1 << table::SLOT_BITS,
            })
        }
    }
}

impl Place<'_> {
    fn pid(&self) -> Pid {
        Pid::local(self.number, self.slot.generation())
    }

    fn publish(mut self, process: block::Runnable, name: Option<&str>) -> Pid {
        let pid = self.pid();
        self.published = true;
        let block = process.into_raw();
        self.slot.occupy(block.as_ptr());
        self.slot.word.open();
        if let Some(name) = name {
            // Not before: who finds the name must find the process.
            self.runtime.names.activate(name, pid);
        }
        // SAFETY: just opened; nobody else could have woken it, since it is awake.
        self.runtime
            .world
            .start(unsafe { block::Runnable::from_raw(block) });
        pid
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.published {
            // A `Cx` with this pid may have been made; it must not fit the slot's next process.
            self.slot.retire();
            table::release(self.number);
            self.runtime.process_ended();
        }
    }
}
