//! Receiving: waiting for the next message, for one that fits, or for what the system tells.
//!
//! **Promise.** G10: a receive takes the oldest message that fits and leaves the others in their order. Every receive is
//! cancel-safe: a message is taken when the future returns it and not before.
//! **State.** A selective receive remembers how far it has looked, so that each message is looked at once per receive.
//! **Tested by** `tests/receive.rs`.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::mailbox::inbox::Place;
use crate::mailbox::limit;
use crate::mailbox::node::{Owned, Payload};
use crate::process::block::Header;
use crate::process::info::Wait;
use crate::process::{Cx, current, waker};
use crate::signal::{Info, handle};
use crate::time::deadline::Deadline;

/// A message, or information from the system.
#[derive(Debug, Clone, PartialEq)]
pub enum Received<M> {
    /// A message of the process' own type.
    Message(M),
    /// A `Down` or a trapped exit that was not mapped into that type.
    Info(Info),
}

/// Which nodes a receive takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Messages,
    Infos,
    Both,
}

impl Takes {
    fn fits(self, payload: Payload) -> bool {
        match self {
            Self::Messages => matches!(payload, Payload::Message | Payload::Told),
            Self::Infos => payload == Payload::Info,
            Self::Both => true,
        }
    }
}

/// Waits for a message; see [`Cx::recv`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Recv<'a, M>(pub(crate) &'a mut Cx<M>);

/// Waits for a message or information; see [`Cx::recv_any`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct RecvAny<'a, M>(pub(crate) &'a mut Cx<M>);

/// Waits for information; see [`Cx::recv_info`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct RecvInfo<'a, M>(pub(crate) &'a mut Cx<M>);

impl<M: Send + 'static> Future for Recv<'_, M> {
    type Output = M;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<M> {
        self.0.home(|header| {
            let node = std::task::ready!(poll_first(header, context, Takes::Messages));
            // SAFETY: a message in the inbox of a process whose messages are `M`.
            Poll::Ready(unsafe { node.into_value() })
        })
    }
}

impl<M: Send + 'static> Future for RecvInfo<'_, M> {
    type Output = Info;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Info> {
        self.0.home(|header| {
            let node = std::task::ready!(poll_first(header, context, Takes::Infos));
            // SAFETY: only `Info`s have this kind.
            Poll::Ready(unsafe { node.into_value() })
        })
    }
}

impl<M: Send + 'static> Future for RecvAny<'_, M> {
    type Output = Received<M>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Received<M>> {
        self.0.home(|header| {
            let node = std::task::ready!(poll_first(header, context, Takes::Both));
            Poll::Ready(if node.payload() == Payload::Info {
                // SAFETY: only `Info`s have this kind.
                Received::Info(unsafe { node.into_value() })
            } else {
                // SAFETY: as in `Recv`.
                Received::Message(unsafe { node.into_value() })
            })
        })
    }
}

/// The first node of the kinds asked for.
fn poll_first(header: &Header, context: &mut Context<'_>, takes: Takes) -> Poll<Owned> {
    if out_of_reductions(context) {
        return Poll::Pending;
    }
    if !limit::may_drop_seen(header.slot)
        && let Some(node) = take_first(header, takes)
    {
        return Poll::Ready(node);
    }
    handle::take_all(header);
    if header.ending.get() {
        return Poll::Pending;
    }
    if let Some(node) = take_first(header, takes) {
        return Poll::Ready(node);
    }
    wait(header, context);
    Poll::Pending
}

/// The first node of the kinds asked for that is in the inbox already.
fn take_first(header: &Header, takes: Takes) -> Option<Owned> {
    // SAFETY: the caller runs in the process.
    let inbox = unsafe { &mut *header.inbox.get() };
    let mut place = Place::START;
    loop {
        let link = inbox.at(place)?;
        // SAFETY: a node of our inbox.
        if takes.fits(unsafe { Owned::payload_of(link) }) {
            let node = inbox.remove(place)?;
            count_one_less(header, &node);
            return Some(node);
        }
        place = inbox.advance(place);
    }
}

fn count_one_less(header: &Header, node: &Owned) {
    let length = if node.payload() == Payload::Message {
        &header.slot.inbox
    } else {
        &header.extension_or_new().told
    };
    let left = length.load(Ordering::Relaxed).saturating_sub(1);
    length.store(left, Ordering::Relaxed);
}

/// What a selective receive found.
enum Looked<M> {
    Found((usize, M)),
    InVain,
    /// The process gives way, or ends.
    Not,
}

/// Spends a reduction. True: none is left, the process gives way, and its next turn starts with a full slice. An executor inside it
/// (`block_on`) asks again in the same turn, and must not be refused for ever.
pub(crate) fn out_of_reductions(context: &Context<'_>) -> bool {
    if current::spend(1) {
        return false;
    }
    current::spend(-2);
    context.waker().wake_by_ref();
    true
}

/// Goes to sleep until something new comes.
fn wait(header: &Header, context: &Context<'_>) {
    header.receiving.set(true);
    header.fresh.set(false);
    header.wait.store(Wait::RECEIVE, Ordering::Relaxed);
    if !waker::is_of(context.waker(), header.pid()) {
        let extension = header.extension_or_new();
        *extension.receiver.borrow_mut() = Some(context.waker().clone());
    }
}

/// A message that is there already; what [`Cx::try_recv`] does.
pub(crate) fn try_message<M: 'static>(header: &Header) -> Option<M> {
    current::spend(1);
    if limit::may_drop_seen(header.slot) {
        handle::take_all(header);
    }
    let node = take_first(header, Takes::Messages).or_else(|| {
        handle::take_all(header);
        take_first(header, Takes::Messages)
    })?;
    // SAFETY: as in `Recv`.
    Some(unsafe { node.into_value() })
}

/// Removes the first information that fits, if it is there already; for `demonitor` with flush.
pub(crate) fn flush_info(header: &Header, fits: impl Fn(&Info) -> bool) -> bool {
    handle::take_all(header);
    // SAFETY: the caller runs in the process.
    let inbox = unsafe { &mut *header.inbox.get() };
    let mut place = Place::START;
    while let Some(link) = inbox.at(place) {
        // SAFETY: a node of our inbox; only `Info`s have this kind.
        let hit =
            unsafe { Owned::payload_of(link) == Payload::Info && fits(Owned::peek::<Info>(link)) };
        if hit {
            if let Some(node) = inbox.remove(place) {
                count_one_less(header, &node);
            }
            return true;
        }
        place = inbox.advance(place);
    }
    false
}

/// The future behind [`receive!`](crate::receive): the first message for which `choose` does not say 0, with what it said.
#[doc(hidden)]
pub struct Select<'a, M, F> {
    cx: &'a mut Cx<M>,
    choose: F,
    place: Place,
    deadline: Option<Deadline>,
    message: PhantomData<fn() -> M>,
}

// SAFETY: the place is a pointer into the inbox that `cx` alone gives access to, and it is used on the thread that runs the
// process only.
unsafe impl<M, F: Send> Send for Select<'_, M, F> {}

impl<M, F> std::fmt::Debug for Select<'_, M, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Select")
    }
}

impl<'a, M: Send + 'static, F: FnMut(&M) -> usize> Select<'a, M, F> {
    #[doc(hidden)]
    pub fn new(cx: &'a mut Cx<M>, after: Option<Duration>, choose: F) -> Self {
        Self {
            cx,
            choose,
            place: Place::START,
            deadline: after.map(Deadline::limit),
            message: PhantomData,
        }
    }
}

impl<M: Send + 'static, F: FnMut(&M) -> usize + Unpin> Future for Select<'_, M, F> {
    type Output = Option<(usize, M)>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Self {
            cx,
            choose,
            place,
            deadline,
            ..
        } = this;
        let looked = cx.home(|header| {
            if out_of_reductions(context) {
                return Looked::Not;
            }
            if !limit::may_drop_seen(header.slot)
                && let Some(found) = scan(header, place, choose)
            {
                return Looked::Found(found);
            }
            handle::take_all(header);
            if header.ending.get() {
                return Looked::Not;
            }
            if limit::may_drop_seen(header.slot) {
                *place = Place::START;
            }
            if let Some(found) = scan(header, place, choose) {
                return Looked::Found(found);
            }
            wait(header, context);
            Looked::InVain
        });
        match looked {
            Looked::Found(found) => Poll::Ready(Some(found)),
            // The time is over only for who has looked.
            Looked::InVain => match deadline {
                Some(deadline) => deadline.poll(context).map(|()| None),
                None => Poll::Pending,
            },
            Looked::Not => Poll::Pending,
        }
    }
}

fn scan<M: 'static>(
    header: &Header,
    place: &mut Place,
    choose: &mut impl FnMut(&M) -> usize,
) -> Option<(usize, M)> {
    // SAFETY: the caller runs in the process. The reference is not held while `choose` runs, which is the user's code.
    let inbox = || unsafe { &mut *header.inbox.get() };
    let mut looked = 0;
    while let Some(link) = inbox().at(*place) {
        looked += 1;
        // SAFETY: a node of our inbox.
        if Takes::Messages.fits(unsafe { Owned::payload_of(link) }) {
            // SAFETY: a message of a process whose messages are `M`; it stays in the inbox while `choose` looks.
            let chosen = choose(unsafe { Owned::peek::<M>(link) });
            if chosen != 0 {
                current::spend(looked);
                let node = inbox().remove(*place)?;
                count_one_less(header, &node);
                // SAFETY: likewise.
                return Some((chosen, unsafe { node.into_value() }));
            }
        }
        *place = inbox().advance(*place);
    }
    current::spend(looked);
    None
}

/// Waits for the first message that fits one of the arms, and leaves the others in the mailbox, in order.
///
/// Arms are separated by commas; `after` follows a semicolon. An arm's pattern takes the message apart by value, so bindings
/// are moved out; its guard sees the bindings by reference, as in `match &message`, since the message is still in the mailbox. (A
/// binding that only the guard uses wants a leading underscore: the arm's own copy of it is unused.)
/// Arms may `await`, `return`, `break` and use `?`. Without `after` it waits for ever; `after Duration::ZERO` looks once.
///
/// A `receive!` that is dropped before it returns has taken nothing.
///
/// In Erlang: `receive … after … end`.
///
/// ```
/// use hammerbeam::{Cx, Exit, receive, send};
/// use std::time::Duration;
/// enum Chat { Ack(u32), Line(String) }
///
/// hammerbeam::run(async |mut cx: Cx<Chat>| {
///     send(cx.addr(), Chat::Line("first".into()));
///     send(cx.addr(), Chat::Ack(7));
///     let number = receive! { &mut cx;
///         Chat::Ack(number) if *number > 3 => number;
///         after Duration::from_secs(1) => return Err(Exit::Timeout)
///     };
///     assert_eq!(number, 7);
///     receive! { &mut cx;
///         Chat::Line(text) => assert_eq!(text, "first"),
///         Chat::Ack(_) => unreachable!(),
///     }
///     Ok(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
#[macro_export]
macro_rules! receive {
    ($cx:expr; $($pattern:pat $(if $guard:expr)? => $body:expr),+ $(,)?) => {
        $crate::receive!(@select $cx, ::core::option::Option::None, { ::core::unreachable!("waits for ever") };
            $($pattern $(if $guard)? => $body),+)
    };
    ($cx:expr; $($pattern:pat $(if $guard:expr)? => $body:expr),+ $(,)?; after $after:expr => $otherwise:expr $(,)? $(;)?) => {
        $crate::receive!(@select $cx, ::core::option::Option::Some($after), $otherwise;
            $($pattern $(if $guard)? => $body),+)
    };
    (@select $cx:expr, $after:expr, $otherwise:expr; $($pattern:pat $(if $guard:expr)? => $body:expr),+) => {
        match $crate::mailbox::Select::new($cx, $after, |__message| {
            let mut __fitting = 0_usize;
            $(
                #[allow(unused_variables, unreachable_patterns, irrefutable_let_patterns)]
                if let $pattern = __message {
                    __fitting += 1;
                    if true $(&& $guard)? {
                        return __fitting;
                    }
                }
            )+
            0
        })
        .await
        {
            ::core::option::Option::Some((__chosen, __message)) => {
                let mut __fitting = 0_usize;
                #[allow(unreachable_patterns)]
                match __message {
                    $($pattern if { __fitting += 1; __fitting == __chosen } => $body,)+
                    _ => ::core::unreachable!("the chosen arm fits"),
                }
            }
            ::core::option::Option::None => $otherwise,
        }
    };
}
