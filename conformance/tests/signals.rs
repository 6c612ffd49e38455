//! Every scenario, on hammerbeam and on Erlang: one test each.
//!
//! Erlang runs once per test process. Without it the tests fail, unless `HAMMERBEAM_WITHOUT_ERLANG=1` is set; then hammerbeam is
//! compared with `golden/signals.txt`, which is what Erlang said last.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::OnceLock;

use hammerbeam_conformance::differences::DIFFERENCES;
use hammerbeam_conformance::erlang::{self, Traces};
use hammerbeam_conformance::{all, named};

/// Interleavings that each scenario goes through besides the one on threads.
const SEEDS: u64 = 50;

macro_rules! rows {
    ($($scenario:ident),+ $(,)?) => {
        const ROWS: &[&str] = &[$(stringify!($scenario)),+];
        $(
            #[test]
            fn $scenario() {
                compare(stringify!($scenario));
            }
        )+
    };
}

rows![
    // exit_signals
    exit_kill_seen_by_linked_trapper,
    exit_kill_seen_by_linked_process,
    exit_kill_seen_by_monitor,
    own_end_with_kill_seen_by_linked_trapper,
    own_end_with_kill_seen_by_linked_process,
    own_end_with_kill_seen_by_monitor,
    exit_kill_of_trapper,
    exit_normal_of_other,
    exit_normal_of_trapper,
    exit_normal_of_self,
    exit_normal_of_self_trapping,
    exit_kill_of_self,
    exit_kill_of_self_trapping,
    exit_boom_of_self_trapping,
    exit_boom_of_other,
    exit_boom_of_trapper,
    exit_shutdown_of_other,
    exit_kill_then_boom,
    exit_of_dead_pid,
    first_exit_reason_counts,
    exit_keeps_its_place_among_messages,
    down_comes_after_messages,
    exit_signal_comes_after_messages,
    trap_exit_returns_what_was_set,
    trap_exit_taken_back,
    body_returns,
    body_exits_with_boom,
    body_exits_with_shutdown_term,
    body_fails,
    body_throws,
    memory_limit_of_trapper,
    code_after_exit_of_self,
    return_after_exit_of_self,
    // links
    link_to_dead,
    link_to_dead_trapping,
    spawn_link_of_short_life,
    linked_process_ends_with_it,
    linked_trapper_survives,
    normal_end_spares_linked_process,
    normal_end_seen_by_linked_trapper,
    shutdown_ends_linked_process,
    parents_end_reaches_child,
    parents_normal_end_spares_child,
    double_link_signals_once,
    link_of_both_sides_signals_once,
    unlink_takes_back_double_link,
    unlink_takes_back_link_of_both_sides,
    unlink_by_the_other_side,
    link_again_after_unlink,
    unlink_before_end,
    unlink_after_exit_is_queued,
    unlink_of_never_linked,
    unlink_of_dead,
    link_to_self,
    unlink_from_self,
    chain_passes_the_reason,
    chain_passes_killed,
    chain_stops_at_trapper,
    ring_ends_once,
    two_linked_ends_seen_by_trapper,
    link_and_monitor_both_tell,
    links_show_on_both_sides,
    exit_order_leaves_the_link,
    // monitors
    monitor_of_dead,
    monitor_of_free_name,
    monitor_of_name,
    monitor_of_name_seen_after_it_is_free,
    spawn_monitor_of_short_life,
    spawn_monitor_of_short_crash,
    demonitor_before_end,
    demonitor_flush_after_end,
    demonitor_of_dead,
    two_monitors_tell_twice,
    one_of_two_monitors_taken_back,
    monitor_of_self,
    monitors_of_each_other,
    monitor_is_one_way,
    monitor_of_one_who_monitors,
    demonitor_says_active,
    demonitor_after_down_received,
    watchers_end_is_noticed,
    monitor_shows_at_the_target,
    demonitor_without_flush,
    demonitor_says_flushed,
    // mailboxes
    send_to_dead,
    send_to_free_name,
    send_to_name,
    send_to_self,
    order_of_one_sender,
    end_with_pending_messages,
    receive_takes_the_oldest_that_fits,
    receive_leaves_the_others_in_order,
    receive_after_zero_looks_once,
    receive_after_times_out,
    alias_delivers,
    alias_taken_back,
    alias_taken_back_twice,
    alias_leaves_queued_messages,
    alias_for_one_message_used_twice,
    alias_for_one_message_is_inactive_then,
    alias_of_dead,
    alias_taken_back_pid_still_works,
    name_taken,
    name_free_after_unregister,
    name_free_before_down_is_seen,
    name_free_before_exit_is_seen,
    name_passes_to_a_successor,
    unregister_of_free_name,
    two_names_for_one_process,
    same_name_again,
    // calls
    call_answered,
    call_by_name,
    call_of_dead,
    call_of_free_name,
    call_of_self,
    call_of_self_by_name,
    call_times_out,
    call_when_callee_ends_normally,
    call_when_callee_ends_with_boom,
    call_when_callee_fails,
    call_when_callee_is_told_to_end,
    call_when_callee_is_killed,
    call_when_callee_ended_before,
    late_reply_is_not_seen,
    reply_before_the_end_counts,
    reply_deferred,
    reply_from_another_process,
    calls_answered_out_of_order,
    timeout_leaves_the_callee_alone,
    down_of_callee_is_not_seen_by_caller,
    reply_from_another_process_after_the_callees_end,
    reply_dropped,
    // timers
    send_after_arrives,
    send_after_keeps_the_order_of_deadlines,
    send_after_not_early,
    send_after_to_dead,
    send_after_to_one_that_ends_before,
    timer_outlives_its_setter,
    cancel_of_pending_timer,
    cancel_of_fired_timer_leaves_the_message,
    cancel_twice,
    cancel_by_another_process,
    receive_outlasts_a_timer,
];

/// What Erlang observes, or the golden file if the environment says so.
fn reference() -> &'static Traces {
    static TRACES: OnceLock<Traces> = OnceLock::new();
    TRACES.get_or_init(|| {
        erlang::traces(&if without_erlang() {
            golden()
        } else {
            from_erlang().clone()
        })
    })
}

fn from_erlang() -> &'static String {
    static OUTPUT: OnceLock<Result<String, String>> = OnceLock::new();
    let output = OUTPUT.get_or_init(|| erlang::run().map_err(|error| error.to_string()));
    output.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

fn without_erlang() -> bool {
    std::env::var_os("HAMMERBEAM_WITHOUT_ERLANG").is_some_and(|value| value == "1")
}

fn golden() -> String {
    std::fs::read_to_string(erlang::golden_file()).expect("the golden file is part of the source")
}

fn compare(scenario: &str) {
    let erlang = reference()
        .get(scenario)
        .unwrap_or_else(|| panic!("Erlang has no scenario {scenario}"));
    let difference = DIFFERENCES.iter().find(|d| d.scenario == scenario);
    let expected: Vec<String> = match difference {
        None => erlang.clone(),
        Some(difference) => {
            let lines = difference.hammerbeam.iter().map(ToString::to_string);
            let lines: Vec<String> = lines.collect();
            assert_ne!(
                &lines, erlang,
                "{scenario} is listed as a difference, but Erlang does the same"
            );
            lines
        }
    };
    let scenario = named(scenario).expect("a row names a scenario");
    let observed = scenario.on_threads();
    assert!(
        observed == expected,
        "{} on threads\n{}",
        scenario.name,
        beside(&expected, &observed)
    );
    for seed in 0..SEEDS {
        let observed = scenario.under_seed(seed);
        assert!(
            observed == expected,
            "{} under seed {seed}\n{}",
            scenario.name,
            beside(&expected, &observed)
        );
    }
}

/// What was expected and what was observed, line by line.
fn beside(expected: &[String], observed: &[String]) -> String {
    let mut text = format!("  {:<40} observed\n", "expected");
    for n in 0..expected.len().max(observed.len()) {
        let left = expected.get(n).map_or("", |line| line);
        let right = observed.get(n).map_or("", |line| line);
        let mark = if left == right { ' ' } else { '>' };
        writeln!(text, "{mark} {left:<40} {right}").expect("writing to a string succeeds");
    }
    text
}

#[test]
fn the_golden_file_is_what_erlang_says() {
    if without_erlang() {
        return;
    }
    let (erlang, golden) = (erlang::traces(from_erlang()), erlang::traces(&golden()));
    let names: BTreeSet<&String> = erlang.keys().chain(golden.keys()).collect();
    let nothing = Vec::new();
    let mut text = String::new();
    for name in names {
        let then = golden.get(name).unwrap_or(&nothing);
        let now = erlang.get(name).unwrap_or(&nothing);
        if then != now {
            writeln!(text, "{name}\n{}", beside(then, now)).expect("writing to a string succeeds");
        }
    }
    assert!(
        text.is_empty(),
        "golden/signals.txt (expected) is not what Erlang says now (observed); if Erlang is right: \
         cargo run -p hammerbeam-conformance > conformance/golden/signals.txt\n{text}"
    );
}

#[test]
fn every_scenario_is_on_both_sides_and_has_a_row() {
    let rows: BTreeSet<&str> = ROWS.iter().copied().collect();
    let here: BTreeSet<&str> = all().iter().map(|scenario| scenario.name).collect();
    let erlang: BTreeSet<&str> = reference().keys().map(String::as_str).collect();
    assert_eq!(rows, here, "rows of this file, scenarios in Rust");
    assert_eq!(here, erlang, "scenarios in Rust, scenarios in Erlang");
}

#[test]
fn every_difference_is_of_a_scenario() {
    for difference in DIFFERENCES {
        assert!(
            ROWS.contains(&difference.scenario),
            "{} is no scenario",
            difference.scenario
        );
    }
}
