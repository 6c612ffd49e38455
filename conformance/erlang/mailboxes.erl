%% Messages: order, selective receive, sends to nobody, aliases, names.
-module(mailboxes).
-compile(export_all).
-compile(nowarn_export_all).
-import(scenarios, [say/1, next/0, quiet/0, queued/1, idle/0, at_go/1, trapper/1, dead/0, alive/1]).

all() ->
    [send_to_dead, send_to_free_name, send_to_name, send_to_self, order_of_one_sender, end_with_pending_messages,
     receive_takes_the_oldest_that_fits, receive_leaves_the_others_in_order, receive_after_zero_looks_once,
     receive_after_times_out, alias_delivers, alias_taken_back, alias_taken_back_twice, alias_leaves_queued_messages,
     alias_for_one_message_used_twice, alias_for_one_message_is_inactive_then, alias_of_dead,
     alias_taken_back_pid_still_works, name_taken, name_free_after_unregister, name_free_before_down_is_seen,
     name_free_before_exit_is_seen, name_passes_to_a_successor, unregister_of_free_name,
     two_names_for_one_process, same_name_again].

send_to_dead() ->
    dead() ! {seen, "lost"},
    say(quiet()).

send_to_free_name() ->
    try nobody_has_this ! {seen, "lost"} of _ -> say("sent")
    catch error:badarg -> say("error")
    end.

send_to_name() ->
    register(receives_by_name, self()),
    receives_by_name ! {seen, "one"},
    say(next()).

send_to_self() ->
    self() ! {seen, "one"},
    self() ! {seen, "two"},
    say(next()),
    say(next()).

order_of_one_sender() ->
    Me = self(),
    spawn(fun() -> [Me ! {number, N} || N <- lists:seq(1, 1000)] end),
    Numbers = [receive {number, N} -> N end || _ <- lists:seq(1, 1000)],
    say(Numbers =:= lists:seq(1, 1000)).

end_with_pending_messages() ->
    {P, _} = spawn_monitor(fun() -> receive go -> ok end end),
    [P ! {number, N} || N <- lists:seq(1, 100)],
    P ! go,
    say(next()),
    say(quiet()).

receive_takes_the_oldest_that_fits() ->
    [self() ! {number, N} || N <- [1, 2, 3, 4]],
    receive {number, N} when N rem 2 =:= 0 -> say(N) end,
    receive {number, M} -> say(M) end.

receive_leaves_the_others_in_order() ->
    [self() ! {number, N} || N <- [1, 2, 3, 4]],
    receive {number, 3} -> say(3) end,
    [receive {number, N} -> say(N) end || _ <- [1, 2, 3]].

receive_after_zero_looks_once() ->
    receive {number, N} -> say(N) after 0 -> say("nothing") end,
    self() ! {number, 1},
    receive {number, M} -> say(M) after 0 -> say("nothing") end.

receive_after_times_out() ->
    self() ! {number, 1},
    receive {number, 2} -> say(2) after 10 -> say("nothing") end,
    receive {number, N} -> say(N) after 0 -> say("nothing") end.

alias_delivers() ->
    Alias = alias(),
    from_another(Alias, ["one", "two"]),
    say(next()),
    say(next()).

alias_taken_back() ->
    Alias = alias(),
    say(unalias(Alias)),
    from_another(Alias, ["one"]),
    say(quiet()).

alias_taken_back_twice() ->
    Alias = alias(),
    say(unalias(Alias)),
    say(unalias(Alias)).

alias_leaves_queued_messages() ->
    Alias = alias(),
    Me = self(),
    spawn(fun() -> Alias ! {seen, "one"}, Me ! {number, 1} end),
    receive {number, 1} -> ok end,
    say(unalias(Alias)),
    say(next()).

alias_for_one_message_used_twice() ->
    Alias = alias([reply]),
    from_another(Alias, ["one", "two"]),
    say(next()),
    say(quiet()).

alias_for_one_message_is_inactive_then() ->
    Alias = alias([reply]),
    from_another(Alias, ["one"]),
    say(next()),
    say(unalias(Alias)).

alias_of_dead() ->
    Me = self(),
    spawn_monitor(fun() -> Me ! {alias, alias()} end),
    Alias = receive {alias, A} -> A end,
    say(next()),
    Alias ! {seen, "lost"},
    say(quiet()).

alias_taken_back_pid_still_works() ->
    Alias = alias(),
    unalias(Alias),
    from_another(self(), ["one"]),
    say(next()).

from_another(To, Texts) ->
    spawn(fun() -> [To ! {seen, Text} || Text <- Texts] end).

name_taken() ->
    P = spawn(fun scenarios:idle/0),
    register(taken, P),
    try register(taken, self()) of true -> say("registered")
    catch error:badarg -> say("error")
    end,
    say(whereis(taken) =:= P).

name_free_after_unregister() ->
    register(given_back, self()),
    say(whereis(given_back) =:= self()),
    unregister(given_back),
    say(whereis(given_back)).

name_free_before_down_is_seen() ->
    {P, _} = spawn_monitor(at_go(normal)),
    register(free_before_down, P),
    P ! go,
    say(next()),
    say(whereis(free_before_down)),
    say(register(free_before_down, self())).

name_free_before_exit_is_seen() ->
    process_flag(trap_exit, true),
    P = spawn_link(at_go(boom)),
    register(free_before_exit, P),
    P ! go,
    say(next()),
    say(whereis(free_before_exit)).

name_passes_to_a_successor() ->
    {First, _} = spawn_monitor(at_go(boom)),
    register(successor, First),
    First ! go,
    say(next()),
    Second = spawn(trapper(self())),
    register(successor, Second),
    say(next()),
    successor ! {seen, "one"},
    say(next()).

unregister_of_free_name() ->
    try unregister(nobody_has_this) of true -> say("true")
    catch error:badarg -> say("error")
    end.

two_names_for_one_process() ->
    register(first_name, self()),
    try register(second_name, self()) of true -> say("registered")
    catch error:badarg -> say("error")
    end.

same_name_again() ->
    register(same_name, self()),
    try register(same_name, self()) of true -> say("registered")
    catch error:badarg -> say("error")
    end.
