%% Links: set and taken back, by one side or both, and what passes over them.
-module(links).
-compile(export_all).
-compile(nowarn_export_all).
-import(scenarios, [say/1, next/0, quiet/0, both/0, report/1, queued/1, pid/0, idle/0, at_go/1, answering/0, trapper/1]).
-import(scenarios, [dead/0, alive/1]).

all() ->
    [link_to_dead, link_to_dead_trapping, spawn_link_of_short_life, linked_process_ends_with_it,
     linked_trapper_survives, normal_end_spares_linked_process, normal_end_seen_by_linked_trapper,
     shutdown_ends_linked_process, parents_end_reaches_child, parents_normal_end_spares_child,
     double_link_signals_once, link_of_both_sides_signals_once, unlink_takes_back_double_link,
     unlink_takes_back_link_of_both_sides, unlink_by_the_other_side, link_again_after_unlink, unlink_before_end,
     unlink_after_exit_is_queued, unlink_of_never_linked, unlink_of_dead, link_to_self, unlink_from_self,
     chain_passes_the_reason, chain_passes_killed, chain_stops_at_trapper, ring_ends_once,
     two_linked_ends_seen_by_trapper, link_and_monitor_both_tell, links_show_on_both_sides,
     exit_order_leaves_the_link].

link_to_dead() ->
    P = dead(),
    try link(P) of true -> say("linked")
    catch error:Reason -> say("error " ++ scenarios:reason(Reason))
    end,
    say(quiet()).

link_to_dead_trapping() ->
    process_flag(trap_exit, true),
    link(dead()),
    say(next()).

spawn_link_of_short_life() ->
    process_flag(trap_exit, true),
    spawn_link(fun() -> exit(boom) end),
    say(next()).

linked_process_ends_with_it() ->
    spawn_monitor(fun() -> spawn_link(fun() -> exit(boom) end), idle() end),
    say(next()).

linked_trapper_survives() ->
    process_flag(trap_exit, true),
    P = spawn(at_go(boom)),
    link(P),
    P ! go,
    say(next()),
    say(quiet()).

normal_end_spares_linked_process() ->
    {P, _} = spawn_monitor(fun() -> spawn_link(fun() -> ok end), idle() end),
    say(quiet()),
    say(alive(P)).

normal_end_seen_by_linked_trapper() ->
    process_flag(trap_exit, true),
    spawn_link(fun() -> ok end),
    say(next()).

shutdown_ends_linked_process() ->
    spawn_monitor(fun() -> spawn_link(fun() -> exit(shutdown) end), idle() end),
    say(next()).

parents_end_reaches_child() ->
    {Parent, Child} = family(boom),
    Parent ! go,
    say(next()),
    say(alive(Child)).

parents_normal_end_spares_child() ->
    {Parent, Child} = family(normal),
    Parent ! go,
    say(quiet()),
    say(alive(Parent)),
    say(alive(Child)).

%% A parent that ends at a go and its linked child, which is monitored.
family(Reason) ->
    Me = self(),
    Parent = spawn(fun() -> Me ! {pid, spawn_link(fun scenarios:idle/0)}, receive go -> exit(Reason) end end),
    Child = pid(),
    monitor(process, Child),
    {Parent, Child}.

double_link_signals_once() ->
    process_flag(trap_exit, true),
    P = spawn(at_go(boom)),
    link(P),
    link(P),
    P ! go,
    say(next()),
    say(quiet()).

link_of_both_sides_signals_once() ->
    P = linked_from_both_sides(),
    P ! go,
    say(next()),
    say(quiet()).

unlink_takes_back_double_link() ->
    process_flag(trap_exit, true),
    P = spawn(at_go(boom)),
    link(P),
    link(P),
    unlink(P),
    P ! go,
    say(quiet()).

unlink_takes_back_link_of_both_sides() ->
    P = linked_from_both_sides(),
    unlink(P),
    P ! go,
    say(quiet()).

unlink_by_the_other_side() ->
    process_flag(trap_exit, true),
    Me = self(),
    P = spawn(fun() -> receive unlink -> unlink(Me) end, Me ! {seen, "unlinked"}, (at_go(boom))() end),
    link(P),
    P ! unlink,
    say(next()),
    P ! go,
    say(quiet()).

%% A process that ends with boom at a go; it linked to this process, and this one to it.
linked_from_both_sides() ->
    process_flag(trap_exit, true),
    Me = self(),
    P = spawn(fun() -> link(Me), Me ! {seen, "linked"}, (at_go(boom))() end),
    link(P),
    say(next()),
    P.

link_again_after_unlink() ->
    process_flag(trap_exit, true),
    P = spawn_link(at_go(boom)),
    unlink(P),
    link(P),
    P ! go,
    say(next()),
    say(quiet()).

unlink_before_end() ->
    process_flag(trap_exit, true),
    P = spawn_link(at_go(boom)),
    unlink(P),
    P ! go,
    say(quiet()).

unlink_after_exit_is_queued() ->
    process_flag(trap_exit, true),
    P = spawn_link(fun() -> exit(boom) end),
    queued(1),
    unlink(P),
    say(next()).

unlink_of_never_linked() ->
    P = spawn(fun scenarios:idle/0),
    unlink(P),
    say(alive(P)).

unlink_of_dead() ->
    unlink(dead()),
    say(quiet()).

link_to_self() ->
    spawn_monitor(fun() -> link(self()), exit(boom) end),
    say(next()),
    say(quiet()).

unlink_from_self() ->
    link(self()),
    unlink(self()),
    say(quiet()).

chain_passes_the_reason() ->
    [First | _] = chain(),
    exit(First, boom),
    [say(next()) || _ <- [1, 2, 3]].

chain_passes_killed() ->
    [First | _] = chain(),
    exit(First, kill),
    [say(next()) || _ <- [1, 2, 3]].

%% Three monitored processes, each linked to the one before.
chain() ->
    {A, _} = spawn_monitor(fun scenarios:idle/0),
    B = follower(A),
    C = follower(B),
    [A, B, C].

follower(Peer) ->
    Me = self(),
    {P, _} = spawn_monitor(fun() -> link(Peer), Me ! {seen, "linked"}, idle() end),
    say(next()),
    P.

chain_stops_at_trapper() ->
    Me = self(),
    {A, _} = spawn_monitor(fun scenarios:idle/0),
    B = spawn(fun() -> process_flag(trap_exit, true), link(A), Me ! {seen, "linked"}, report(Me) end),
    say(next()),
    C = follower(B),
    exit(A, boom),
    [say(Text) || Text <- both()],
    say(quiet()),
    say(alive(C)).

ring_ends_once() ->
    Me = self(),
    {A, _} = spawn_monitor(fun() -> receive {pid, Pid} -> link(Pid) end, Me ! {seen, "linked"}, idle() end),
    B = follower(A),
    C = follower(B),
    A ! {pid, C},
    say(next()),
    exit(B, boom),
    [say(next()) || _ <- [1, 2, 3]],
    say(quiet()).

two_linked_ends_seen_by_trapper() ->
    process_flag(trap_exit, true),
    A = spawn_link(at_go(boom)),
    B = spawn_link(at_go(crash)),
    A ! go,
    say(next()),
    B ! go,
    say(next()).

link_and_monitor_both_tell() ->
    process_flag(trap_exit, true),
    P = spawn(at_go(boom)),
    link(P),
    monitor(process, P),
    P ! go,
    [say(Text) || Text <- both()].

links_show_on_both_sides() ->
    P = spawn(fun scenarios:answering/0),
    link(P),
    42 = gen_server:call(P, ask),
    [say(links_of(Pid)) || Pid <- [self(), P]],
    unlink(P),
    42 = gen_server:call(P, ask),
    [say(links_of(Pid)) || Pid <- [self(), P]].

links_of(Pid) ->
    {links, Links} = process_info(Pid, links),
    length(Links).

exit_order_leaves_the_link() ->
    process_flag(trap_exit, true),
    Me = self(),
    spawn_link(fun() -> exit(Me, boom), exit(crash) end),
    say(next()),
    say(next()).
