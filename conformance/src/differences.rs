//! Where hammerbeam differs from Erlang on purpose. The tests hold it to what stands here.

/// A scenario that goes differently.
#[derive(Debug, Clone, Copy)]
pub struct Difference {
    /// The scenario.
    pub scenario: &'static str,
    /// What hammerbeam says in it.
    pub hammerbeam: &'static [&'static str],
    /// Why it is not what Erlang says.
    pub because: &'static str,
}

/// All differences.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        scenario: "body_fails",
        hammerbeam: &["down error boom"],
        because: "a body that fails returns an error, which is a value: `Exit::Error`. There is no stack to go with it",
    },
    Difference {
        scenario: "body_throws",
        hammerbeam: &["down panic boom"],
        because: "Rust has no throw; what unwinds is a panic, and its reason `Exit::Panic` has the text and the place",
    },
    Difference {
        scenario: "memory_limit_of_trapper",
        hammerbeam: &["limits mailbox", "down killed"],
        because: "a process has no heap of its own that could be measured. What grows without bound is its mailbox, and its limit \
                  with `OnFull::ExitReceiver` ends a process that traps exits too",
    },
    Difference {
        scenario: "code_after_exit_of_self",
        hammerbeam: &["went on", "down boom"],
        because: "a function cannot end the future that calls it: an exit signal to oneself takes effect at the next await",
    },
    Difference {
        scenario: "return_after_exit_of_self",
        hammerbeam: &["down normal"],
        because: "as above, and here the body returns before it awaits; return the reason instead",
    },
    Difference {
        scenario: "demonitor_without_flush",
        hammerbeam: &["nothing"],
        because: "`demonitor` always flushes: a `Down` of a monitor that was taken back is never wanted",
    },
    Difference {
        scenario: "demonitor_says_flushed",
        hammerbeam: &["true"],
        because: "Erlang's `info` with `flush` says false if a `DOWN` had to be flushed; ours says that there was something to take back",
    },
    Difference {
        scenario: "unregister_of_free_name",
        hammerbeam: &["false"],
        because: "giving back a name that one does not have is not an error; the answer says so",
    },
    Difference {
        scenario: "two_names_for_one_process",
        hammerbeam: &["registered"],
        because: "Erlang allows a process one name, which it stores in the process; we keep a list",
    },
    Difference {
        scenario: "same_name_again",
        hammerbeam: &["registered"],
        because: "asking for a name that one has already is granted: what was asked for is true",
    },
    Difference {
        scenario: "call_when_callee_fails",
        hammerbeam: &["panic boom"],
        because: "the reason is that of `body_throws`: a panic, with its text and place",
    },
    Difference {
        scenario: "reply_from_another_process_after_the_callees_end",
        hammerbeam: &["answer 42"],
        because: "whoever holds the `Reply` is who owes the answer; Erlang's caller watches the callee and gives up with it",
    },
    Difference {
        scenario: "reply_dropped",
        hammerbeam: &["noreply"],
        because: "a `Reply` that is dropped fails the call; Erlang cannot know that and waits for its time limit",
    },
];
