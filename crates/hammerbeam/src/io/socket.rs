//! What all sockets have in common: trying, waiting, and giving way.
//!
//! **Promise.** G20: an operation is tried before it is waited for, unless the socket is known to be unready; one that was not done has
//! taken nothing, so every operation of one system call is cancel-safe. A process that is served without ever waiting gives
//! way when its reductions are spent.
//! **State.** A socket joins a reactor when it is first waited for: that of the worker which runs the process *then*, unless another
//! has markedly fewer sockets. One that was
//! accepted here and handed to a process elsewhere is served where that process runs, and one that is never waited for never
//! joins.
//! **Outside.** A socket remembers the runtime it was made in, so a task of another executor may use it. One that was made outside of
//! any runtime can only be waited for inside of one.
//! **Tested by** `tests/tcp.rs`, `tests/udp.rs`, `tests/unix.rs`, `tests/sockets_and_runtimes.rs`.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use mio::unix::SourceFd;
use parking_lot::Mutex;
use rustix::net::RecvFlags;
use tokio::io::ReadBuf;
use tokio::task::coop;

use crate::io::registration::{Direction, Registration, Seen, Ticket};
use crate::process::current;
use crate::world::World;

/// Reductions of one operation: what its system call costs, in receives of a message.
const OPERATION: i32 = 16;
/// Bytes that cost one reduction more.
const BYTES: usize = 256;
/// Reductions of one accepted connection.
const ACCEPT: i32 = 64;
/// Whether a read that did not fill its buffer has emptied the socket, and a write that stopped short has filled it, so that an
/// event will come when there is more. It holds for epoll and kqueue on byte streams.
const SHORT_MEANS_USED_UP: bool = true;

/// What an operation moved, which is what it costs.
pub(crate) trait Moved {
    fn reductions(&self) -> i32;
}

impl Moved for usize {
    fn reductions(&self) -> i32 {
        OPERATION.saturating_add(i32::try_from(self / BYTES).unwrap_or(i32::MAX))
    }
}

/// A datagram and whom it is from; or a connection and whom it is to.
impl<A> Moved for (usize, A) {
    fn reductions(&self) -> i32 {
        self.0.reductions()
    }
}

/// A connection that was accepted.
pub(crate) struct Accepted<S, A>(pub(crate) S, pub(crate) A);

impl<S, A> Moved for Accepted<S, A> {
    fn reductions(&self) -> i32 {
        ACCEPT
    }
}

/// The readiness that an operation was done with; none before the socket joined a reactor.
type Ready<'a> = Option<(&'a Registration, Seen)>;

/// A mio socket, and its place in a reactor once it was waited for.
pub(crate) struct Socket<S> {
    // Closed before it leaves the reactor.
    inner: S,
    registration: OnceLock<Registration>,
    registering: Mutex<()>,
    home: Option<Arc<dyn World>>,
}

impl<S: fmt::Debug> fmt::Debug for Socket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<S: AsFd> AsFd for Socket<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

/// The calling thread's world, if it has one; an error if that has no sockets.
pub(crate) fn here() -> io::Result<Option<Arc<dyn World>>> {
    current::with_runtime(|runtime| {
        runtime.world.sockets()?;
        Ok(Some(Arc::clone(&runtime.world)))
    })
    .unwrap_or(Ok(None))
}

fn homeless() -> io::Error {
    io::Error::other(
        "cannot wait for a socket: this thread is not inside a hammerbeam runtime, and the socket was not made in one; \
         use `run` or `Runtime::enter`",
    )
}

/// Pending if the running process has spent its reductions; it is woken at once, behind the others.
fn poll_turn(context: &mut Context<'_>) -> Poll<()> {
    match current::with_process(|_| current::spend(0)) {
        Some(true) => Poll::Ready(()),
        Some(false) => {
            // A turn of its own starts with a full slice. An executor inside this one (`block_on`) asks again in the same turn,
            // and must not be refused for ever.
            current::spend(-OPERATION);
            context.waker().wake_by_ref();
            Poll::Pending
        }
        // A task of the background runtime: it has tokio's budget.
        None => coop::poll_proceed(context).map(|turn| turn.made_progress()),
    }
}

fn would_block<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

impl<S: AsFd> Socket<S> {
    /// A socket that must be non-blocking.
    ///
    /// # Errors
    /// Unsupported in a world without sockets.
    pub(crate) fn new(inner: S) -> io::Result<Self> {
        Ok(Self::at(inner, here()?))
    }

    /// A socket that will have to be waited for: `open` is called only where that is possible.
    pub(crate) fn open(open: impl FnOnce() -> io::Result<S>) -> io::Result<Self> {
        let home = here()?.ok_or_else(homeless)?;
        Ok(Self::at(open()?, Some(home)))
    }

    fn at(inner: S, home: Option<Arc<dyn World>>) -> Self {
        Self {
            inner,
            registration: OnceLock::new(),
            registering: Mutex::new(()),
            home,
        }
    }

    /// A socket that came out of this one.
    pub(crate) fn offspring<T: AsFd>(&self, inner: T) -> Socket<T> {
        Socket::at(inner, self.home.clone())
    }

    pub(crate) const fn get(&self) -> &S {
        &self.inner
    }

    /// The place in a reactor; joins one if there is none yet.
    fn join(&self) -> io::Result<&Registration> {
        let _one_at_a_time = self.registering.lock();
        if let Some(registration) = self.registration.get() {
            return Ok(registration);
        }
        let fd = self.inner.as_fd().as_raw_fd();
        let mut source = SourceFd(&fd);
        let registration = match current::with_runtime(|here| here.world.register(&mut source)) {
            Some(registered) => registered?,
            None => self.home()?.register(&mut source)?,
        };
        Ok(self.registration.get_or_init(|| registration))
    }

    fn home(&self) -> io::Result<&Arc<dyn World>> {
        self.home.as_ref().ok_or_else(homeless)
    }

    /// Before the first wait: whether there could be one. So a lack of a runtime shows at once, and not now and then.
    fn can_join(&self) -> io::Result<()> {
        match current::with_runtime(|here| here.world.sockets()) {
            Some(sockets) => sockets,
            None => self.home().map(drop),
        }
    }

    /// Does an operation when the socket is ready for it. The readiness that it was done with comes along.
    fn poll_attempt<R: Moved>(
        &self,
        direction: Direction,
        context: &mut Context<'_>,
        mut ticket: Option<&mut Ticket>,
        mut attempt: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<(R, Ready<'_>)>> {
        ready!(poll_turn(context));
        let mut registration = self.registration.get();
        if registration.is_none() {
            self.can_join()?;
        }
        loop {
            let ready = match registration {
                None => None,
                Some(place) => {
                    let seen = match ticket.as_deref_mut() {
                        None => ready!(place.poll_ready(direction, context)),
                        Some(ticket) => ready!(place.poll_ready_for(direction, context, ticket)),
                    };
                    Some((place, seen))
                }
            };
            let result = attempt(&self.inner);
            if would_block(&result) {
                match ready {
                    Some((place, seen)) => place.clear(direction, seen),
                    None => {
                        let place = self.join()?;
                        place.clear_fresh(direction);
                        registration = Some(place);
                    }
                }
                continue;
            }
            return match result {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    current::spend(OPERATION);
                    Poll::Ready(Err(error))
                }
                Ok(done) => {
                    current::spend(done.reductions());
                    Poll::Ready(Ok((done, ready)))
                }
            };
        }
    }

    /// Does an operation when the socket is ready for it; of several callers in one direction the last one is woken.
    pub(crate) fn poll_io<R: Moved>(
        &self,
        direction: Direction,
        context: &mut Context<'_>,
        attempt: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_attempt(direction, context, None, attempt)
            .map_ok(|(done, _)| done)
    }

    /// As [`Socket::poll_io`], for any number of callers at once.
    pub(crate) async fn io<R: Moved>(
        &self,
        direction: Direction,
        mut attempt: impl FnMut(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        let mut ticket = Ticket::default();
        poll_fn(|context| {
            self.poll_attempt(direction, context, Some(&mut ticket), &mut attempt)
                .map_ok(|(done, _)| done)
        })
        .await
    }

    /// Does an operation now if the socket is not known to be unready.
    pub(crate) fn try_io<R: Moved>(
        &self,
        direction: Direction,
        attempt: impl FnMut(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        self.try_attempt(direction, attempt).map(|(done, _)| done)
    }

    fn try_attempt<R: Moved>(
        &self,
        direction: Direction,
        mut attempt: impl FnMut(&S) -> io::Result<R>,
    ) -> io::Result<(R, Ready<'_>)> {
        let ready = match self.registration.get() {
            None => None,
            Some(place) => match place.ready(direction) {
                Some(seen) => Some((place, seen)),
                None => return Err(ErrorKind::WouldBlock.into()),
            },
        };
        let result = attempt(&self.inner);
        if let (true, Some((place, seen))) = (would_block(&result), ready) {
            place.clear(direction, seen);
        }
        current::spend(result.as_ref().map_or(OPERATION, Moved::reductions));
        result.map(|done| (done, ready))
    }

    /// Waits until the reactor says that the socket is ready, or said so and nobody found otherwise.
    pub(crate) async fn ready(&self, direction: Direction) -> io::Result<()> {
        let mut ticket = Ticket::default();
        poll_fn(|context| {
            ready!(poll_turn(context));
            let place = match self.registration.get() {
                Some(place) => place,
                None => {
                    let place = self.join()?;
                    place.clear_fresh(direction);
                    place
                }
            };
            let ready = place.poll_ready_for(direction, context, &mut ticket);
            ready.map(|_| {
                current::spend(1);
                Ok(())
            })
        })
        .await
    }
}

/// What byte streams have in common.
impl<S: AsFd> Socket<S>
where
    for<'a> &'a S: io::Write,
{
    pub(crate) fn poll_read(
        &self,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buf.remaining();
        let polled = self.poll_attempt(Direction::Read, context, None, |stream| {
            // SAFETY: nothing is made uninitialised: the kernel only writes bytes.
            let space = unsafe { buf.unfilled_mut() };
            let n = recv(stream.as_fd(), space)?;
            // SAFETY: the kernel has written that many bytes at the start of `space`.
            unsafe { buf.assume_init(n) };
            buf.advance(n);
            Ok(n)
        });
        let (n, ready) = ready!(polled)?;
        note_short(Direction::Read, n, room, ready);
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_write(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = self.poll_attempt(Direction::Write, context, None, |mut stream| {
            io::Write::write(&mut stream, bytes)
        });
        let (n, ready) = ready!(polled)?;
        note_short(Direction::Write, n, bytes.len(), ready);
        Poll::Ready(Ok(n))
    }

    pub(crate) fn poll_write_vectored(
        &self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = self.poll_attempt(Direction::Write, context, None, |mut stream| {
            io::Write::write_vectored(&mut stream, slices)
        });
        let (n, ready) = ready!(polled)?;
        // One call takes a limited number of slices: less than all does not mean that the socket is full.
        let asked = slices.iter().take(MOST_SLICES).map(|s| s.len()).sum();
        note_short(Direction::Write, n, asked, ready);
        Poll::Ready(Ok(n))
    }

    pub(crate) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let (n, ready) = self.try_attempt(Direction::Read, |stream| {
            let (n, _) = rustix::net::recv(stream, &mut *buf, RecvFlags::empty())?;
            Ok(n)
        })?;
        note_short(Direction::Read, n, buf.len(), ready);
        Ok(n)
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let (n, ready) = self.try_attempt(Direction::Write, |mut stream| {
            io::Write::write(&mut stream, bytes)
        })?;
        note_short(Direction::Write, n, bytes.len(), ready);
        Ok(n)
    }

    pub(crate) async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io(Direction::Read, |stream| {
            let (n, _) = rustix::net::recv(stream, &mut *buf, RecvFlags::PEEK)?;
            Ok(n)
        })
        .await
    }
}

/// No system takes more slices in one call.
const MOST_SLICES: usize = 1024;

fn recv(fd: BorrowedFd<'_>, space: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    let ((filled, _), _) = rustix::net::recv(fd, space, RecvFlags::empty())?;
    Ok(filled.len())
}

fn note_short(direction: Direction, moved: usize, asked: usize, ready: Ready<'_>) {
    if let Some((place, seen)) = ready
        && SHORT_MEANS_USED_UP
        && moved > 0
        && moved < asked
    {
        place.used_up(direction, seen);
    }
}
