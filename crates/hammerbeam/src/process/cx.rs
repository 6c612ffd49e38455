//! `Cx`: what a process holds of itself.
//!
//! **Promise.** Only the running process can receive, link, monitor or trap: every method looks whether this thread is polling
//! the process that the `Cx` belongs to.

use std::any::TypeId;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use crate::mailbox::node::Owned;
use crate::mailbox::receive::{self, Recv, RecvAny, RecvInfo};
use crate::mailbox::{MailboxLimit, OnFull, deliver};
use crate::process::block::Header;
use crate::process::extension::{Alias as AliasKind, Trap};
use crate::process::pid::PackedPid;
use crate::process::{Addr, Alias, Exit, IntoExit, Pid, Spawn, SpawnError, current};
use crate::registry::{Name, RegisterError};
use crate::runtime;
use crate::signal::link::{self, LinkError};
use crate::signal::{Down, ExitSignal, Info, MonitorRef, Signal, handle};
use crate::time::{self, TimerRef};

/// The process itself, as its body sees it: to receive, link, monitor, trap exits, and to set timers.
///
/// A body gets one; it cannot be cloned. `M` is the type of message the process takes.
///
/// # Panics
/// Every method panics outside the process that the `Cx` was made for: it may not be carried to another thread, task or process.
///
/// ```
/// use hammerbeam::{Cx, Exit, send, spawn};
/// hammerbeam::run(async |mut cx: Cx<u64>| {
///     let parent = cx.addr();
///     for n in 1..=10 {
///         spawn(async move |_: Cx<()>| send(parent, n * n))?;
///     }
///     let mut sum = 0;
///     for _ in 0..10 {
///         sum += cx.recv().await;
///     }
///     assert_eq!(sum, 385);
///     Ok::<_, Exit>(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
pub struct Cx<M> {
    /// The pid in eight bytes, since a body often holds its `Cx` twice: as argument and as variable.
    pid: PackedPid,
    message: PhantomData<fn() -> M>,
}

impl<M> fmt::Debug for Cx<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Cx<{}>({})",
            std::any::type_name::<M>(),
            self.pid.unpack()
        )
    }
}

impl<M> Cx<M> {
    pub(crate) const fn of(pid: Pid) -> Self {
        Self {
            pid: PackedPid::new(pid),
            message: PhantomData,
        }
    }

    /// Runs with the header of this process, on the thread that polls it.
    pub(crate) fn home<R>(&self, look: impl FnOnce(&Header) -> R) -> R {
        current::at_home(self.pid.unpack(), look)
            .expect("a Cx can only be used inside the process it was made for")
    }
}

impl<M: Send + 'static> Cx<M> {
    /// This process' pid.
    ///
    /// In Erlang: `self()`.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.pid.unpack()
    }

    /// This process' address.
    #[must_use]
    pub const fn addr(&self) -> Addr<M> {
        Addr::of(self.pid())
    }

    /// Waits for the next message. Information from the system ([`Cx::recv_info`]) stays in the mailbox.
    ///
    /// In Erlang: `receive M -> M end`.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped `recv` has taken nothing.
    pub fn recv(&mut self) -> Recv<'_, M> {
        Recv(self)
    }

    /// Waits for the next message, at most for `limit`.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped `recv_timeout` has taken nothing.
    pub async fn recv_timeout(&mut self, limit: Duration) -> Option<M> {
        receive::Select::new(self, Some(limit), |_| 1)
            .await
            .map(|(_, message)| message)
    }

    /// Waits for the next message or information, whichever came first.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped `recv_any` has taken nothing.
    pub fn recv_any(&mut self) -> RecvAny<'_, M> {
        RecvAny(self)
    }

    /// Waits for the next information from the system: a `Down` or a trapped exit that was not mapped into a message.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped `recv_info` has taken nothing.
    pub fn recv_info(&mut self) -> RecvInfo<'_, M> {
        RecvInfo(self)
    }

    /// The next message, if one is there.
    pub fn try_recv(&mut self) -> Option<M> {
        self.home(receive::try_message)
    }

    /// Gives way if this process has spent its reductions; else it goes on at once, in about a nanosecond.
    ///
    /// For loops that compute or only send. Receives count by themselves.
    ///
    /// In Erlang: what every function call does.
    pub async fn step(&mut self) {
        poll_fn(|context| {
            // The next poll starts with a fresh slice.
            if self.home(|_| receive::out_of_reductions(context)) {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    /// Waits for `duration`, without taking messages.
    ///
    /// # Cancellation
    /// Cancel-safe.
    pub async fn sleep(&mut self, duration: Duration) {
        time::sleep(duration).await;
    }

    /// Sends `message` to this process after `duration`.
    ///
    /// In Erlang: `erlang:send_after(Time, self(), Msg)`.
    pub fn send_after(&self, duration: Duration, message: M) -> TimerRef {
        time::send_after(self.addr(), duration, message).expect("a process runs inside its runtime")
    }

    /// Starts a process that is linked to this one before it runs.
    ///
    /// In Erlang: `spawn_link/1`.
    ///
    /// # Errors
    /// [`SpawnError`]: the runtime is full or stopping.
    pub fn spawn_link<N, B, F>(&mut self, body: B) -> Result<Addr<N>, SpawnError>
    where
        N: Send + 'static,
        B: FnOnce(Cx<N>) -> F,
        F: Future + Send + 'static,
        F::Output: IntoExit,
    {
        Ok(Spawn::new().link().start(body)?.addr)
    }

    /// Starts a process that is monitored by this one before it runs: the `Down` has its reason, however short it lives.
    ///
    /// In Erlang: `spawn_monitor/1`.
    ///
    /// # Errors
    /// [`SpawnError`]: the runtime is full or stopping.
    pub fn spawn_monitor<N, B, F>(&mut self, body: B) -> Result<(Addr<N>, MonitorRef), SpawnError>
    where
        N: Send + 'static,
        B: FnOnce(Cx<N>) -> F,
        F: Future + Send + 'static,
        F::Output: IntoExit,
    {
        let spawned = Spawn::new().monitor().start(body)?;
        let monitor = spawned.monitor.expect("asked for above");
        Ok((spawned.addr, monitor))
    }

    /// Monitors a process: one [`Info::Down`] comes when it ends, or at once with [`Exit::NoProc`] if it does not exist.
    ///
    /// Two monitors of one process give two `Down`s.
    ///
    /// In Erlang: `monitor(process, Pid)`.
    pub fn monitor(&mut self, target: impl Into<Pid>) -> MonitorRef {
        self.watch(target.into(), None)
    }

    /// As [`Cx::monitor`], with the `Down` as a message of this process' own type.
    ///
    /// ```
    /// use hammerbeam::{Cx, Down, Exit, spawn};
    /// enum Msg { Gone(Down) }
    /// hammerbeam::run(async |mut cx: Cx<Msg>| {
    ///     let child = spawn(async |_: Cx<()>| {})?;
    ///     cx.monitor_as(child, Msg::Gone);
    ///     let Msg::Gone(down) = cx.recv().await;
    ///     assert_eq!(down.pid, Some(child.pid()));
    ///     Ok::<_, Exit>(())
    /// })
    /// .unwrap()
    /// .unwrap();
    /// ```
    pub fn monitor_as(
        &mut self,
        target: impl Into<Pid>,
        map: impl FnOnce(Down) -> M + Send + 'static,
    ) -> MonitorRef {
        self.watch(target.into(), Some(map_down(map)))
    }

    /// Monitors whoever has a name now; if nobody has it, a `Down` with [`Exit::NoProc`] comes at once.
    ///
    /// In Erlang: `monitor(process, Name)`.
    pub fn monitor_name<N: 'static>(&mut self, name: Name<N>) -> MonitorRef {
        match name.whereis() {
            Ok(addr) => self.watch(addr.pid(), None),
            Err(_) => self.home(|header| {
                let number = self.new_watch(header, self.pid(), None);
                let told =
                    handle::down(header, self.pid().generation(), number, None, Exit::NoProc);
                if let Some(told) = told {
                    handle::tell(header, told);
                }
                self.monitor_ref(number)
            }),
        }
    }

    fn watch(&self, target: Pid, map: Option<crate::process::extension::MapDown>) -> MonitorRef {
        self.home(|header| {
            let number = self.new_watch(header, target, map);
            deliver::signal(
                target,
                Signal::Monitor {
                    from: self.pid(),
                    number,
                },
            );
            self.monitor_ref(number)
        })
    }

    fn new_watch(
        &self,
        header: &Header,
        target: Pid,
        map: Option<crate::process::extension::MapDown>,
    ) -> u64 {
        let extension = header.extension_or_new();
        let number = extension.number();
        let watch = crate::process::extension::Watch { target, map };
        extension.relations.lock().watching.insert(number, watch);
        number
    }

    const fn monitor_ref(&self, number: u64) -> MonitorRef {
        MonitorRef {
            watcher: self.pid(),
            number,
        }
    }

    /// Takes a monitor back: no `Down` comes from now on; one that is in the mailbox already is removed too, unless it was mapped
    /// into a message. Returns whether the monitor was still set, or its `Down` was removed.
    ///
    /// In Erlang: `demonitor(Ref, [flush, info])`.
    pub fn demonitor(&mut self, monitor: MonitorRef) -> bool {
        if monitor.watcher != self.pid() {
            return false;
        }
        self.home(|header| {
            let removed = header
                .extension()
                .and_then(|extension| extension.relations.lock().watching.remove(&monitor.number));
            match removed {
                Some(watch) => {
                    let from = self.pid();
                    let number = monitor.number;
                    deliver::signal(watch.target, Signal::Demonitor { from, number });
                    true
                }
                None => receive::flush_info(
                    header,
                    |info| matches!(info, Info::Down(down) if down.monitor == monitor),
                ),
            }
        })
    }

    /// Links this process and another: when one ends, the other gets an exit signal. Linking twice is linking once.
    ///
    /// In Erlang: `link/1`.
    ///
    /// # Errors
    /// [`LinkError::NoProc`] if the other has ended and this process does not trap exits; if it does, it gets the exit signal
    /// with [`Exit::NoProc`] instead.
    pub fn link(&mut self, peer: impl Into<Pid>) -> Result<(), LinkError> {
        self.home(|header| link::link(header, self.pid(), peer.into(), None))
    }

    /// As [`Cx::link`], and the exit signal of this link comes as a message of this process' own type, whether or not it traps
    /// exits.
    ///
    /// # Errors
    /// None: a peer that has ended is told by that message, with [`Exit::NoProc`].
    pub fn link_as(
        &mut self,
        peer: impl Into<Pid>,
        map: impl Fn(ExitSignal) -> M + Send + Sync + 'static,
    ) -> Result<(), LinkError> {
        self.home(|header| link::link(header, self.pid(), peer.into(), Some(map_exit(map))))
    }

    /// Takes a link back, on both sides: no exit signal of it arrives from now on. One that was trapped already stays in the mailbox.
    ///
    /// In Erlang: `unlink/1`.
    pub fn unlink(&mut self, peer: impl Into<Pid>) {
        self.home(|header| link::unlink(header, self.pid(), peer.into()));
    }

    /// Sets whether exit signals end this process (the default) or come as [`Info::Exit`]. Returns what was set before.
    ///
    /// In Erlang: `process_flag(trap_exit, Bool)`.
    pub fn trap_exit(&mut self, trap: bool) -> bool {
        self.set_trap(if trap { Trap::Info } else { Trap::Off })
    }

    /// As [`Cx::trap_exit`] with true, and exit signals come as messages of this process' own type.
    pub fn trap_exit_as(&mut self, map: impl Fn(ExitSignal) -> M + Send + Sync + 'static) -> bool {
        self.set_trap(Trap::Message(map_exit(map)))
    }

    fn set_trap(&self, trap: Trap) -> bool {
        self.home(|header| {
            let before = header.extension_or_new().trap.replace(trap);
            !matches!(before, Trap::Off)
        })
    }

    /// A second address that can be taken back with [`Cx::unalias`].
    ///
    /// In Erlang: `alias/0`.
    pub fn alias(&mut self) -> Alias<M> {
        self.new_alias(AliasKind::Explicit)
    }

    /// A second address that ends with the first message through it; a second one is dropped at the door.
    ///
    /// In Erlang: `alias([reply])`.
    pub fn alias_once(&mut self) -> Alias<M> {
        self.new_alias(AliasKind::OneMessage)
    }

    fn new_alias(&self, kind: AliasKind) -> Alias<M> {
        self.home(|header| {
            let extension = header.extension_or_new();
            let number = extension.number();
            extension.aliases.borrow_mut().insert(number, kind);
            Alias::new(self.pid(), number)
        })
    }

    /// Takes an alias back. Returns whether it was still active.
    ///
    /// In Erlang: `unalias/1`.
    pub fn unalias(&mut self, alias: Alias<M>) -> bool {
        alias.pid == self.pid()
            && self.home(|header| {
                header
                    .extension()
                    .is_some_and(|e| e.aliases.borrow_mut().remove(&alias.number).is_some())
            })
    }

    /// Registers this process under a name; it is free again when the process ends.
    ///
    /// In Erlang: `register/2`.
    ///
    /// # Errors
    /// [`RegisterError::Taken`], naming the holder.
    pub fn register(&mut self, name: Name<M>) -> Result<(), RegisterError> {
        self.home(|header| {
            runtime::register_name(header, self.pid(), name.as_str(), TypeId::of::<M>())
        })
    }

    /// Gives a name back. Returns whether this process had it.
    ///
    /// In Erlang: `unregister/1`.
    pub fn unregister(&mut self, name: Name<M>) -> bool {
        self.home(|header| runtime::unregister_name(header, self.pid(), name.as_str()))
    }

    /// Sets a label that shows in [`process_info`](crate::process_info) and in crash reports.
    ///
    /// In Erlang: `proc_lib:set_label/1`.
    pub fn set_label(&mut self, label: impl Into<Arc<str>>) {
        self.home(|header| {
            header.extension_or_new().relations.lock().label = Some(label.into());
        });
    }

    /// Sets or lifts the limit of this process' mailbox. Messages that are there already stay, but for [`OnFull::DropOldest`].
    pub fn set_mailbox_limit(&mut self, limit: Option<MailboxLimit>) {
        self.home(|header| {
            header
                .slot
                .limit
                .store(MailboxLimit::encode(limit), Ordering::Relaxed);
            if limit.is_some_and(|l| l.on_full() == OnFull::DropOldest) {
                handle::take_all(header);
            }
        });
    }
}

pub(crate) fn map_down<M: Send + 'static>(
    map: impl FnOnce(Down) -> M + Send + 'static,
) -> crate::process::extension::MapDown {
    Box::new(move |generation, down| Owned::told(generation, map(down)))
}

fn map_exit<M: Send + 'static>(
    map: impl Fn(ExitSignal) -> M + Send + Sync + 'static,
) -> crate::process::extension::MapExit {
    Arc::new(move |generation, signal| Owned::told(generation, map(signal)))
}
