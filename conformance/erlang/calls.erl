%% Calls: gen_server:call against processes that answer, end, are late, or are not there.
-module(calls).
-compile(export_all).
-compile(nowarn_export_all).
-import(scenarios, [say/1, next/0, quiet/0, outcome/1, idle/0, dead/0, alive/1]).

all() ->
    [call_answered, call_by_name, call_of_dead, call_of_free_name, call_of_self, call_of_self_by_name,
     call_times_out, call_when_callee_ends_normally, call_when_callee_ends_with_boom, call_when_callee_fails,
     call_when_callee_is_told_to_end, call_when_callee_is_killed, call_when_callee_ended_before, late_reply_is_not_seen, reply_before_the_end_counts, reply_deferred,
     reply_from_another_process, calls_answered_out_of_order, timeout_leaves_the_callee_alone,
     down_of_callee_is_not_seen_by_caller, reply_from_another_process_after_the_callees_end, reply_dropped].

%% A process that does something with its first call.
serving(Do) ->
    spawn(fun() -> receive {'$gen_call', From, _} -> Do(From) end end).

ask(Server) -> outcome(fun() -> gen_server:call(Server, ask) end).

ask(Server, Limit) -> outcome(fun() -> gen_server:call(Server, ask, Limit) end).

call_answered() ->
    say(ask(spawn(fun scenarios:answering/0))).

call_by_name() ->
    register(called_by_name, spawn(fun scenarios:answering/0)),
    say(ask(called_by_name)).

call_of_dead() ->
    say(ask(dead())).

call_of_free_name() ->
    say(ask(nobody_has_this)).

call_of_self() ->
    say(ask(self())).

call_of_self_by_name() ->
    register(calls_itself, self()),
    say(ask(calls_itself)).

call_times_out() ->
    say(ask(spawn(fun scenarios:idle/0), 20)).

call_when_callee_ends_normally() ->
    say(ask(serving(fun(_) -> ok end))).

call_when_callee_ends_with_boom() ->
    say(ask(serving(fun(_) -> exit(boom) end))).

call_when_callee_fails() ->
    say(ask(serving(fun(_) -> error(boom) end))).

call_when_callee_is_told_to_end() ->
    say(ask(serving(fun(_) -> exit(self(), boom), idle() end))).

call_when_callee_is_killed() ->
    say(ask(serving(fun(_) -> exit(self(), kill), idle() end))).

call_when_callee_ended_before() ->
    P = serving(fun(_) -> exit(boom) end),
    say(ask(P)),
    say(ask(P)).

late_reply_is_not_seen() ->
    Me = self(),
    P = serving(fun(From) -> receive go -> gen_server:reply(From, 42) end, Me ! {seen, "replied"} end),
    say(ask(P, 20)),
    P ! go,
    say(next()),
    say(quiet()).

reply_before_the_end_counts() ->
    say(ask(serving(fun(From) -> gen_server:reply(From, 42), exit(boom) end))).

reply_deferred() ->
    say(ask(serving(fun(From) -> receive after 10 -> gen_server:reply(From, 42) end end))).

reply_from_another_process() ->
    say(ask(serving(fun(From) -> spawn(fun() -> gen_server:reply(From, 42) end), idle() end))).

calls_answered_out_of_order() ->
    P = spawn(fun() ->
        First = receive {'$gen_call', F, _} -> F end,
        Second = receive {'$gen_call', S, _} -> S end,
        gen_server:reply(Second, 2),
        gen_server:reply(First, 1)
    end),
    One = gen_server:send_request(P, ask),
    Two = gen_server:send_request(P, ask),
    {reply, A} = gen_server:receive_response(One, 5000),
    {reply, B} = gen_server:receive_response(Two, 5000),
    say(A),
    say(B).

timeout_leaves_the_callee_alone() ->
    P = spawn(fun scenarios:idle/0),
    say(ask(P, 20)),
    say(alive(P)).

down_of_callee_is_not_seen_by_caller() ->
    say(ask(serving(fun(_) -> exit(boom) end))),
    say(quiet()).

reply_from_another_process_after_the_callees_end() ->
    say(ask(serving(fun(From) -> spawn(fun() -> receive after 50 -> gen_server:reply(From, 42) end end) end))).

reply_dropped() ->
    say(ask(serving(fun(_) -> idle() end), 50)).
