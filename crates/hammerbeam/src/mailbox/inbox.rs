//! The inbox: messages in order of arrival, private to the process.
//!
//! A singly linked list of nodes that were taken off the [word](crate::mailbox::word). Only whoever owns the process (holds
//! `AWAKE`) touches it.

use std::ptr::{self, NonNull};

use crate::mailbox::node::{Owned, Payload};
use crate::mailbox::word::Link;

#[derive(Debug)]
pub(crate) struct Inbox {
    head: *mut Link,
    tail: *mut Link,
}

/// A place in an inbox: the node in front of it, or the start. It stays valid while nothing but [`Inbox::push_back`] and the
/// removal *at* the place happen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place(*mut Link);

impl Place {
    pub(crate) const START: Self = Self(ptr::null_mut());
}

impl Inbox {
    pub(crate) const fn new() -> Self {
        Self {
            head: ptr::null_mut(),
            tail: ptr::null_mut(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    pub(crate) fn push_back(&mut self, node: Owned) {
        let link = node.into_link();
        // SAFETY: we own `link`, and `tail`, if any, is a node of this list.
        unsafe {
            (*link).next = ptr::null_mut();
            if self.tail.is_null() {
                self.head = link;
            } else {
                (*self.tail).next = link;
            }
        }
        self.tail = link;
    }

    pub(crate) fn pop_front(&mut self) -> Option<Owned> {
        self.remove(Place::START)
    }

    /// The payload kind of the first node.
    pub(crate) fn front(&self) -> Option<Payload> {
        // SAFETY: nodes of this list are owned by it.
        NonNull::new(self.head).map(|link| unsafe { Owned::payload_of(link) })
    }

    /// The node at a place, if there is one, without taking it.
    pub(crate) fn at(&self, place: Place) -> Option<NonNull<Link>> {
        NonNull::new(self.next(place))
    }

    /// The place behind the node at `place`.
    pub(crate) fn advance(&self, place: Place) -> Place {
        Place(self.next(place))
    }

    /// Takes out the node at a place.
    pub(crate) fn remove(&mut self, place: Place) -> Option<Owned> {
        let link = NonNull::new(self.next(place))?;
        // SAFETY: `link` is a node of this list; `place` is the start or the node in front of it.
        unsafe {
            let next = link.as_ref().next;
            if place.0.is_null() {
                self.head = next;
            } else {
                (*place.0).next = next;
            }
            if next.is_null() {
                self.tail = place.0;
            }
            Some(Owned::from_link(link))
        }
    }

    fn next(&self, place: Place) -> *mut Link {
        if place.0.is_null() {
            self.head
        } else {
            // SAFETY: a place is a node of this list (see `Place`).
            unsafe { (*place.0).next }
        }
    }
}

/// The nodes of a stack that was taken off a word, oldest first.
#[derive(Debug)]
pub(crate) struct Taken(*mut Link);

impl Taken {
    /// # Safety
    /// `newest` is null or the head of a stack of nodes that the caller owns.
    pub(crate) unsafe fn oldest_first(newest: *mut Link) -> Self {
        let mut reversed = ptr::null_mut();
        let mut link = newest;
        while !link.is_null() {
            // SAFETY: a node of the stack, owned by the caller.
            let next = unsafe { std::mem::replace(&mut (*link).next, reversed) };
            reversed = link;
            link = next;
        }
        Self(reversed)
    }
}

impl Iterator for Taken {
    type Item = Owned;

    fn next(&mut self) -> Option<Owned> {
        let link = NonNull::new(self.0)?;
        // SAFETY: we own the rest of the list.
        unsafe {
            self.0 = link.as_ref().next;
            Some(Owned::from_link(link))
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for node in self.by_ref() {
            let _ = node.discard();
        }
    }
}
