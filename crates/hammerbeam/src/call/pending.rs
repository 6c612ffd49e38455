//! The caller's side: making a call, and waiting for its answer.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::answer::{self, Waiting};
use super::reply::Outcome;
use super::{CallError, Callee, DEFAULT_TIMEOUT, Reply};
use crate::mailbox::deliver::{self, Undelivered};
use crate::process::info::Wait;
use crate::process::send::{Dest, send};
use crate::process::spawn::spawn;
use crate::process::{Addr, Cx, SpawnError, current, table, waker};
use crate::time::deadline::Deadline;

/// Asks a process and waits for its answer, at most five seconds.
///
/// `make` builds the message around the [`Reply`] slot. Awaiting the returned [`Call`] sends the message; so does [`Call::start`],
/// which returns without waiting, and [`Call::wait`], for threads that are not processes.
///
/// In Erlang: `gen_server:call/2`.
///
/// # Errors
/// [`CallError`]: at once if there is no such process, the process calls itself, the callee ends or drops the slot; else after
/// the time limit.
///
/// # Cancellation
/// Dropped before the answer, the call is over: the message may still be handled, its answer vanishes.
///
/// ```
/// use hammerbeam::{Cx, Exit, Reply, call, spawn};
/// enum Msg { Double { n: u64, reply: Reply<u64> } }
///
/// hammerbeam::run(async |_cx: Cx<()>| {
///     let server = spawn(async |mut cx: Cx<Msg>| loop {
///         match cx.recv().await {
///             Msg::Double { n, reply } => reply.send(2 * n),
///         }
///     })?;
///     assert_eq!(call(server, |reply| Msg::Double { n: 21, reply }).await?, 42);
///     Ok::<_, Exit>(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
pub fn call<M, T, D, F>(dest: D, make: F) -> Call<M, T, D, F>
where
    M: Send + 'static,
    T: Send + 'static,
    D: Dest<M>,
    F: FnOnce(Reply<T>) -> M,
{
    Call {
        dest,
        make,
        limit: DEFAULT_TIMEOUT,
        types: PhantomData,
    }
}

/// A call that is not made yet; `.await` makes it and waits.
#[must_use = "a call is made when it is awaited, started or waited for"]
pub struct Call<M, T, D, F> {
    dest: D,
    make: F,
    limit: Duration,
    types: PhantomData<fn() -> (M, T)>,
}

impl<M, T, D: fmt::Debug, F> fmt::Debug for Call<M, T, D, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("dest", &self.dest)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl<M, T, D, F> Call<M, T, D, F>
where
    M: Send + 'static,
    T: Send + 'static,
    D: Dest<M>,
    F: FnOnce(Reply<T>) -> M,
{
    /// Waits at most this long. [`Duration::MAX`] waits as long as the callee lives and keeps the slot.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sends the message now and returns what waits for the answer.
    ///
    /// In Erlang: `gen_server:send_request/2`.
    pub fn start(self) -> PendingCall<T> {
        let mut callee = Callee {
            pid: None,
            name: self.dest.registered_name(),
            message: std::any::type_name::<M>(),
        };
        let limit = self.limit;
        let failed = |error| PendingCall {
            waiting: Err(Some(error)),
            callee,
            limit,
            deadline: None,
        };
        let Ok(pid) = self.dest.resolve() else {
            return failed(CallError::NoProc { callee });
        };
        callee.pid = Some(pid);
        let failed = |error| PendingCall {
            waiting: Err(Some(error)),
            callee,
            limit,
            deadline: None,
        };
        if current::self_pid() == Some(pid) {
            return failed(CallError::CallingSelf { callee });
        }
        // In a process the answer may as well wake it from the start.
        let own = current::self_pid().map(waker::waker);
        let (answering, waiting) = answer::pair(own, callee.message);
        let message = (self.make)(Reply::new(answering));
        match deliver::message(pid, message) {
            Ok(()) => PendingCall {
                waiting: Ok(waiting),
                callee,
                limit,
                deadline: None,
            },
            Err((why, message)) => {
                // First the waiter: then the slot in the message goes in silence.
                drop(waiting);
                drop(message);
                failed(match why {
                    Undelivered::NoProc => CallError::NoProc { callee },
                    Undelivered::Full(_) => CallError::Full { callee },
                })
            }
        }
    }

    /// Makes the call and blocks this thread until it is over. For threads that are not processes; inside a process use `.await`,
    /// which blocks nobody.
    ///
    /// # Errors
    /// As for [`call`].
    pub fn wait(self) -> Result<T, CallError> {
        let limit = self.limit;
        let mut pending = self.start();
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let end = Instant::now().checked_add(limit);
        loop {
            if let Some(result) = pending.look(&waker) {
                return result;
            }
            match end.map(|end| end.saturating_duration_since(Instant::now())) {
                None => std::thread::park(),
                Some(Duration::ZERO) => return Err(pending.timed_out()),
                Some(left) => std::thread::park_timeout(left),
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

impl<M, T, D, F> IntoFuture for Call<M, T, D, F>
where
    M: Send + 'static,
    T: Send + 'static,
    D: Dest<M>,
    F: FnOnce(Reply<T>) -> M,
{
    type Output = Result<T, CallError>;
    type IntoFuture = PendingCall<T>;

    fn into_future(self) -> PendingCall<T> {
        self.start()
    }
}

/// A call that was made and waits for its answer: a future. Its time limit runs from the first poll.
///
/// # Cancellation
/// Dropped before the answer, the call is over: the message may still be handled, its answer vanishes.
#[must_use = "a pending call that is dropped is cancelled"]
pub struct PendingCall<T> {
    waiting: Result<Waiting<Outcome<T>>, Option<CallError>>,
    callee: Callee,
    limit: Duration,
    deadline: Option<Deadline>,
}

impl<T> fmt::Debug for PendingCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PendingCall(to {})", self.callee)
    }
}

impl<T: Send + 'static> PendingCall<T> {
    /// The result, if the call is over.
    fn look(&mut self, waker: &Waker) -> Option<Result<T, CallError>> {
        let callee = self.callee;
        match &mut self.waiting {
            Err(error) => Some(Err(error.take().unwrap_or(CallError::NoReply { callee }))),
            Ok(waiting) => waiting.poll(waker).map(|outcome| match outcome {
                Outcome::Answer(answer) => Ok(answer),
                Outcome::Dropped(Some(reason)) => Err(CallError::Exited { callee, reason }),
                Outcome::Dropped(None) => Err(CallError::NoReply { callee }),
            }),
        }
    }

    /// Has the result sent to a process, as one of its own messages: so an answer can be waited for among other messages, in
    /// `receive!` or in a server's loop. A process of its own waits meanwhile; when the receiver ends, the result is dropped.
    ///
    /// In Erlang: `gen_server:receive_response/2` in a selective `receive`.
    ///
    /// # Errors
    /// [`SpawnError`](crate::SpawnError): the runtime is full or stopping.
    ///
    /// ```
    /// use hammerbeam::{CallError, Cx, Exit, Reply, call, receive, spawn};
    /// enum Msg { Tick, Answer(Result<u32, CallError>) }
    /// hammerbeam::run(async |mut cx: Cx<Msg>| {
    ///     let server = spawn(async |mut cx: Cx<Reply<u32>>| cx.recv().await.send(7))?;
    ///     call(server, |reply| reply).start().into_message(cx.addr(), Msg::Answer)?;
    ///     receive! { &mut cx;
    ///         Msg::Answer(answer) => assert_eq!(answer, Ok(7)),
    ///     }
    ///     Ok::<_, Exit>(())
    /// })
    /// .unwrap()
    /// .unwrap();
    /// ```
    pub fn into_message<M: Send + 'static>(
        self,
        to: Addr<M>,
        map: impl FnOnce(Result<T, CallError>) -> M + Send + 'static,
    ) -> Result<(), SpawnError> {
        spawn(async move |_: Cx<()>| send(to, map(self.await))).map(|_| ())
    }

    fn timed_out(&self) -> CallError {
        let queued = self
            .callee
            .pid
            .and_then(table::slot_of)
            .map_or(0, table::Slot::queue_length);
        CallError::Timeout {
            callee: self.callee,
            limit: self.limit,
            queued,
        }
    }

    fn note_wait(&self) {
        current::with_process(|header| {
            header.wait.store(Wait::CALL, Ordering::Relaxed);
            header.extension_or_new().calling(self.callee.pid);
        });
    }
}

impl<T: Send + 'static> Future for PendingCall<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(result) = this.look(context.waker()) {
            return Poll::Ready(result);
        }
        let limit = this.limit;
        let deadline = this.deadline.get_or_insert_with(|| Deadline::limit(limit));
        if deadline.poll(context).is_ready() {
            return Poll::Ready(Err(this.timed_out()));
        }
        this.note_wait();
        Poll::Pending
    }
}
