//! What a thread is doing, as the kernel sees it: computing, blocked, or waiting for a core.
//!
//! A worker that does not come back from a poll is taken for stuck only if it used the processor or is blocked. One that is
//! runnable but preempted is not: to take its queue away would start one more thread on a machine that is full already.

/// A thread's number for the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KernelThread(i32);

/// What a thread did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Nanoseconds of processor time so far.
    pub(crate) cpu: u64,
    /// It sleeps in the kernel.
    pub(crate) blocked: bool,
}

impl KernelThread {
    /// The calling thread.
    #[cfg(target_os = "linux")]
    pub(crate) fn current() -> Self {
        Self(rustix::thread::gettid().as_raw_nonzero().get())
    }

    /// The calling thread; other systems do not tell.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn current() -> Self {
        Self(0)
    }

    pub(crate) const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    pub(crate) const fn as_raw(self) -> i32 {
        self.0
    }

    /// What it did so far; nothing where the system does not tell.
    pub(crate) fn usage(self) -> Option<Usage> {
        let read =
            |file: &str| std::fs::read_to_string(format!("/proc/self/task/{}/{file}", self.0)).ok();
        let schedstat = read("schedstat")?;
        let cpu = schedstat.split_ascii_whitespace().next()?.parse().ok()?;
        let stat = read("stat")?;
        // The name, in parentheses, may hold anything.
        let state = stat.rsplit_once(") ")?.1.bytes().next()?;
        Some(Usage {
            cpu,
            blocked: matches!(state, b'S' | b'D'),
        })
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_a_computing_thread_from_a_blocked_one() {
        let me = KernelThread::current();
        let Some(before) = me.usage() else { return };
        assert!(!before.blocked, "this thread runs");
        let mut x = 1_u64;
        while me
            .usage()
            .is_some_and(|now| now.cpu < before.cpu + 2_000_000)
        {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
        let (send, receive) = std::sync::mpsc::channel();
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            send.send(KernelThread::current()).unwrap();
            let _ = wait.recv();
        });
        let other = receive.recv().unwrap();
        while !other.usage().is_some_and(|usage| usage.blocked) {
            std::thread::yield_now();
        }
        done.send(()).unwrap();
        thread.join().unwrap();
    }
}
