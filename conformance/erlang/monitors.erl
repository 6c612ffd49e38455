%% Monitors: one DOWN each, also for what does not exist, and taking them back.
-module(monitors).
-compile(export_all).
-compile(nowarn_export_all).
-import(scenarios, [say/1, next/0, quiet/0, queued/1, idle/0, at_go/1, answering/0, dead/0, alive/1]).

all() ->
    [monitor_of_dead, monitor_of_free_name, monitor_of_name, monitor_of_name_seen_after_it_is_free,
     spawn_monitor_of_short_life, spawn_monitor_of_short_crash, demonitor_before_end, demonitor_flush_after_end,
     demonitor_of_dead, two_monitors_tell_twice, one_of_two_monitors_taken_back, monitor_of_self,
     monitors_of_each_other, monitor_is_one_way, monitor_of_one_who_monitors, demonitor_says_active,
     demonitor_after_down_received, watchers_end_is_noticed, monitor_shows_at_the_target,
     demonitor_without_flush, demonitor_says_flushed].

monitor_of_dead() ->
    monitor(process, dead()),
    say(next()).

monitor_of_free_name() ->
    monitor(process, nobody_has_this),
    say(next()),
    say(quiet()).

monitor_of_name() ->
    P = spawn(at_go(boom)),
    register(watched_by_name, P),
    monitor(process, watched_by_name),
    P ! go,
    say(next()).

monitor_of_name_seen_after_it_is_free() ->
    P = spawn(at_go(normal)),
    register(soon_free, P),
    monitor(process, soon_free),
    P ! go,
    say(next()),
    say(whereis(soon_free)).

spawn_monitor_of_short_life() ->
    spawn_monitor(fun() -> ok end),
    say(next()).

spawn_monitor_of_short_crash() ->
    spawn_monitor(fun() -> exit(boom) end),
    say(next()).

demonitor_before_end() ->
    {P, Ref} = spawn_monitor(at_go(boom)),
    demonitor(Ref),
    P ! go,
    say(quiet()).

demonitor_flush_after_end() ->
    {_, Ref} = spawn_monitor(fun() -> exit(boom) end),
    queued(1),
    demonitor(Ref, [flush]),
    say(quiet()).

demonitor_of_dead() ->
    Ref = monitor(process, dead()),
    demonitor(Ref, [flush]),
    say(quiet()).

two_monitors_tell_twice() ->
    P = spawn(at_go(boom)),
    One = monitor(process, P),
    Two = monitor(process, P),
    say(One =/= Two),
    P ! go,
    say(next()),
    say(next()),
    say(quiet()).

one_of_two_monitors_taken_back() ->
    P = spawn(at_go(boom)),
    One = monitor(process, P),
    monitor(process, P),
    demonitor(One),
    P ! go,
    say(next()),
    say(quiet()).

monitor_of_self() ->
    {_, _} = spawn_monitor(fun() -> monitor(process, self()), exit(boom) end),
    monitor(process, self()),
    say(next()),
    say(quiet()).

monitors_of_each_other() ->
    Me = self(),
    A = spawn(fun() -> receive {pid, Pid} -> monitor(process, Pid) end, Me ! {seen, "watches"}, Me ! {seen, next()} end),
    {B, _} = spawn_monitor(fun() -> monitor(process, A), Me ! {seen, "watches"}, (at_go(boom))() end),
    say(next()),
    A ! {pid, B},
    say(next()),
    B ! go,
    [say(Text) || Text <- scenarios:both()].

monitor_is_one_way() ->
    P = spawn(fun scenarios:idle/0),
    {W, _} = spawn_monitor(fun() -> monitor(process, P), exit(boom) end),
    say(next()),
    say(alive(W)),
    say(alive(P)).

monitor_of_one_who_monitors() ->
    {P, _} = spawn_monitor(fun() -> spawn_monitor(fun() -> exit(boom) end), receive {'DOWN', _, _, _, R} -> exit({shutdown, R}) end end),
    say(next()),
    say(alive(P)).

demonitor_says_active() ->
    {_, Ref} = spawn_monitor(fun scenarios:idle/0),
    say(demonitor(Ref, [flush, info])),
    say(demonitor(Ref, [flush, info])).

demonitor_after_down_received() ->
    {_, Ref} = spawn_monitor(fun() -> ok end),
    say(next()),
    say(demonitor(Ref, [flush, info])).

watchers_end_is_noticed() ->
    P = spawn(fun scenarios:answering/0),
    spawn_monitor(fun() -> monitor(process, P), 42 = gen_server:call(P, ask), exit(boom) end),
    say(next()),
    say(scenarios:at_last(0, fun() -> watchers_of(P) end)).

monitor_shows_at_the_target() ->
    P = spawn(fun scenarios:answering/0),
    One = monitor(process, P),
    monitor(process, P),
    42 = gen_server:call(P, ask),
    say(watchers_of(P)),
    demonitor(One),
    42 = gen_server:call(P, ask),
    say(watchers_of(P)).

watchers_of(Pid) ->
    {monitored_by, Watchers} = process_info(Pid, monitored_by),
    length(Watchers).

demonitor_without_flush() ->
    {_, Ref} = spawn_monitor(fun() -> exit(boom) end),
    queued(1),
    demonitor(Ref),
    say(quiet()).

demonitor_says_flushed() ->
    {_, Ref} = spawn_monitor(fun() -> exit(boom) end),
    queued(1),
    say(demonitor(Ref, [flush, info])).
