%% Exit signals: exit/2, trapping, the reason a body ends with, and their place among messages.
-module(exit_signals).
-compile(export_all).
-compile(nowarn_export_all).
-import(scenarios, [say/1, next/0, quiet/0, idle/0, trapper/1, dead/0, alive/1]).

all() ->
    [exit_kill_seen_by_linked_trapper, exit_kill_seen_by_linked_process, exit_kill_seen_by_monitor,
     own_end_with_kill_seen_by_linked_trapper, own_end_with_kill_seen_by_linked_process,
     own_end_with_kill_seen_by_monitor, exit_kill_of_trapper, exit_normal_of_other, exit_normal_of_trapper,
     exit_normal_of_self, exit_normal_of_self_trapping, exit_kill_of_self, exit_kill_of_self_trapping,
     exit_boom_of_self_trapping, exit_boom_of_other, exit_boom_of_trapper, exit_shutdown_of_other,
     exit_kill_then_boom, exit_of_dead_pid, first_exit_reason_counts, exit_keeps_its_place_among_messages,
     down_comes_after_messages, exit_signal_comes_after_messages, trap_exit_returns_what_was_set,
     trap_exit_taken_back, body_returns, body_exits_with_boom, body_exits_with_shutdown_term, body_fails,
     body_throws, memory_limit_of_trapper, code_after_exit_of_self, return_after_exit_of_self].

exit_kill_seen_by_linked_trapper() ->
    process_flag(trap_exit, true),
    P = spawn_link(fun scenarios:idle/0),
    exit(P, kill),
    say(next()).

exit_kill_seen_by_linked_process() ->
    spawn_monitor(fun() -> exit(spawn_link(fun scenarios:idle/0), kill), idle() end),
    say(next()).

exit_kill_seen_by_monitor() ->
    {P, _} = spawn_monitor(fun scenarios:idle/0),
    exit(P, kill),
    say(next()).

own_end_with_kill_seen_by_linked_trapper() ->
    process_flag(trap_exit, true),
    spawn_link(fun() -> exit(kill) end),
    say(next()),
    say(quiet()).

own_end_with_kill_seen_by_linked_process() ->
    spawn_monitor(fun() -> spawn_link(fun() -> exit(kill) end), idle() end),
    say(next()).

own_end_with_kill_seen_by_monitor() ->
    spawn_monitor(fun() -> exit(kill) end),
    say(next()).

exit_kill_of_trapper() ->
    {P, _} = spawn_monitor(trapper(self())),
    say(next()),
    exit(P, kill),
    say(next()).

exit_normal_of_other() ->
    {P, _} = spawn_monitor(fun scenarios:idle/0),
    exit(P, normal),
    say(quiet()),
    say(alive(P)).

exit_normal_of_trapper() ->
    {P, _} = spawn_monitor(trapper(self())),
    say(next()),
    exit(P, normal),
    say(next()),
    say(alive(P)).

exit_normal_of_self() ->
    spawn_monitor(fun() -> exit(self(), normal), idle() end),
    say(next()).

exit_normal_of_self_trapping() -> exit_of_self_trapping(normal).

exit_kill_of_self() ->
    spawn_monitor(fun() -> exit(self(), kill), idle() end),
    say(next()).

exit_kill_of_self_trapping() ->
    spawn_monitor(fun() -> process_flag(trap_exit, true), exit(self(), kill), idle() end),
    say(next()).

exit_boom_of_self_trapping() -> exit_of_self_trapping(boom).

exit_of_self_trapping(Reason) ->
    Me = self(),
    spawn_monitor(fun() ->
        process_flag(trap_exit, true),
        exit(self(), Reason),
        Me ! {seen, next()}
    end),
    say(next()),
    say(next()).

exit_boom_of_other() ->
    {P, _} = spawn_monitor(fun scenarios:idle/0),
    exit(P, boom),
    say(next()).

exit_boom_of_trapper() ->
    {P, _} = spawn_monitor(trapper(self())),
    say(next()),
    exit(P, boom),
    say(next()),
    say(alive(P)).

exit_shutdown_of_other() ->
    {P, _} = spawn_monitor(fun scenarios:idle/0),
    exit(P, shutdown),
    say(next()).

exit_kill_then_boom() ->
    {P, _} = spawn_monitor(fun scenarios:idle/0),
    exit(P, kill),
    exit(P, boom),
    say(next()).

exit_of_dead_pid() ->
    P = dead(),
    exit(P, boom),
    exit(P, kill),
    say(quiet()).

first_exit_reason_counts() ->
    {P, _} = spawn_monitor(fun scenarios:idle/0),
    exit(P, boom),
    exit(P, crash),
    exit(P, kill),
    say(next()),
    say(quiet()).

exit_keeps_its_place_among_messages() ->
    P = spawn(trapper(self())),
    say(next()),
    P ! {seen, "one"},
    exit(P, boom),
    P ! {seen, "two"},
    [say(next()) || _ <- [1, 2, 3]].

down_comes_after_messages() ->
    Me = self(),
    spawn_monitor(fun() -> Me ! {seen, "one"}, Me ! {seen, "two"} end),
    [say(next()) || _ <- [1, 2, 3]].

exit_signal_comes_after_messages() ->
    process_flag(trap_exit, true),
    Me = self(),
    spawn_link(fun() -> Me ! {seen, "one"}, Me ! {seen, "two"}, exit(boom) end),
    [say(next()) || _ <- [1, 2, 3]].

trap_exit_returns_what_was_set() ->
    say(process_flag(trap_exit, true)),
    say(process_flag(trap_exit, true)),
    say(process_flag(trap_exit, false)),
    say(process_flag(trap_exit, false)).

trap_exit_taken_back() ->
    Me = self(),
    {P, _} = spawn_monitor(fun() ->
        process_flag(trap_exit, true),
        process_flag(trap_exit, false),
        Me ! {seen, "ready"},
        idle()
    end),
    say(next()),
    exit(P, boom),
    say(next()).

body_returns() ->
    spawn_monitor(fun() -> ok end),
    say(next()).

body_exits_with_boom() ->
    spawn_monitor(fun() -> exit(boom) end),
    say(next()).

body_exits_with_shutdown_term() ->
    spawn_monitor(fun() -> exit({shutdown, boom}) end),
    say(next()).

body_fails() ->
    spawn_monitor(fun() -> error(boom) end),
    say(next()).

body_throws() ->
    spawn_monitor(fun() -> throw(boom) end),
    say(next()).

memory_limit_of_trapper() ->
    Fill = fun(F, List) -> F(F, [make_ref() | List]) end,
    Limit = #{size => 10000, kill => true, error_logger => false},
    say("limits memory"),
    spawn_monitor(fun() ->
        process_flag(trap_exit, true),
        process_flag(max_heap_size, Limit),
        Fill(Fill, [])
    end),
    say(next()).

code_after_exit_of_self() ->
    Me = self(),
    spawn_monitor(fun() -> exit(self(), boom), Me ! {seen, "went on"}, idle() end),
    say(next()),
    say(quiet()).

return_after_exit_of_self() ->
    spawn_monitor(fun() -> exit(self(), boom) end),
    say(next()).
