//! The inbox: messages in order of arrival, private to the process.
//!
//! A singly linked list of nodes that were taken off the [word](crate::mailbox::word). Only whoever owns the process (holds
//! `AWAKE`) touches it.

use std::ptr::{self, NonNull};

use crate::mailbox::node::Owned;
use crate::mailbox::word::Link;

/// One word: the newest node, whose `next` is the oldest. A ring, so that every process is eight bytes smaller.
#[derive(Debug)]
pub(crate) struct Inbox {
    newest: *mut Link,
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
            newest: ptr::null_mut(),
        }
    }

    pub(crate) fn push_back(&mut self, node: Owned) {
        let link = node.into_link();
        // SAFETY: we own `link`, and `newest`, if any, is a node of this ring.
        unsafe {
            if self.newest.is_null() {
                (*link).next = link;
            } else {
                (*link).next = (*self.newest).next;
                (*self.newest).next = link;
            }
        }
        self.newest = link;
    }

    pub(crate) fn pop_front(&mut self) -> Option<Owned> {
        self.remove(Place::START)
    }

    /// The node at a place, if there is one, without taking it.
    pub(crate) fn at(&self, place: Place) -> Option<NonNull<Link>> {
        if self.newest.is_null() || ptr::eq(place.0, self.newest) {
            return None;
        }
        let before = if place.0.is_null() {
            self.newest
        } else {
            place.0
        };
        // SAFETY: a place is a node of this ring (see `Place`).
        NonNull::new(unsafe { (*before).next })
    }

    /// The place behind the node at `place`, or `place` itself where there is none.
    pub(crate) fn advance(&self, place: Place) -> Place {
        self.at(place).map_or(place, |link| Place(link.as_ptr()))
    }

    /// Takes out the node at a place.
    pub(crate) fn remove(&mut self, place: Place) -> Option<Owned> {
        let link = self.at(place)?;
        let before = if place.0.is_null() {
            self.newest
        } else {
            place.0
        };
        // SAFETY: `link` is a node of this ring and `before` the one in front of it.
        unsafe {
            (*before).next = link.as_ref().next;
            if ptr::eq(link.as_ptr(), self.newest) {
                // The last one in order; the ring may be empty now.
                self.newest = if ptr::eq(before, link.as_ptr()) {
                    ptr::null_mut()
                } else {
                    before
                };
            }
            Some(Owned::from_link(link))
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
            // By its address, see `Word::push`.
            link = ptr::with_exposed_provenance_mut(next.addr());
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
