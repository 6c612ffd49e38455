%% Timers: send_after and cancel_timer.
-module(timers).
-compile(export_all).
-compile(nowarn_export_all).
-import(scenarios, [say/1, next/0, quiet/0, queued/1, idle/0, dead/0]).

all() ->
    [send_after_arrives, send_after_keeps_the_order_of_deadlines, send_after_not_early, send_after_to_dead,
     send_after_to_one_that_ends_before, timer_outlives_its_setter, cancel_of_pending_timer,
     cancel_of_fired_timer_leaves_the_message, cancel_twice, cancel_by_another_process, receive_outlasts_a_timer].

send_after_arrives() ->
    erlang:send_after(10, self(), {seen, "one"}),
    say(next()).

send_after_keeps_the_order_of_deadlines() ->
    erlang:send_after(90, self(), {seen, "three"}),
    erlang:send_after(10, self(), {seen, "one"}),
    erlang:send_after(50, self(), {seen, "two"}),
    [say(next()) || _ <- [1, 2, 3]].

send_after_not_early() ->
    Start = erlang:monotonic_time(microsecond),
    erlang:send_after(20, self(), {seen, "one"}),
    say(next()),
    say(erlang:monotonic_time(microsecond) - Start >= 20000).

send_after_to_dead() ->
    erlang:send_after(1, dead(), {seen, "lost"}),
    say(quiet()).

send_after_to_one_that_ends_before() ->
    {P, _} = spawn_monitor(fun scenarios:idle/0),
    erlang:send_after(20, P, {seen, "lost"}),
    exit(P, boom),
    say(next()),
    say(quiet()).

timer_outlives_its_setter() ->
    Me = self(),
    spawn_monitor(fun() -> erlang:send_after(20, Me, {seen, "one"}) end),
    say(next()),
    say(next()).

cancel_of_pending_timer() ->
    Timer = erlang:send_after(60000, self(), {seen, "late"}),
    Left = erlang:cancel_timer(Timer),
    say(Left > 50000 andalso Left =< 60000),
    say(quiet()).

cancel_of_fired_timer_leaves_the_message() ->
    Timer = erlang:send_after(1, self(), {seen, "one"}),
    queued(1),
    say(erlang:cancel_timer(Timer)),
    say(next()).

cancel_twice() ->
    Timer = erlang:send_after(60000, self(), {seen, "late"}),
    say(erlang:cancel_timer(Timer) =/= false),
    say(erlang:cancel_timer(Timer)).

cancel_by_another_process() ->
    Me = self(),
    Timer = erlang:send_after(60000, self(), {seen, "late"}),
    spawn(fun() -> Me ! {seen, atom_to_list(erlang:cancel_timer(Timer) =/= false)} end),
    say(next()),
    say(erlang:cancel_timer(Timer)).

receive_outlasts_a_timer() ->
    erlang:send_after(10, self(), {number, 1}),
    receive {number, 2} -> say(2) after 30 -> say("nothing") end,
    receive {number, N} -> say(N) after 0 -> say("nothing") end.
