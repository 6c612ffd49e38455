%% Runs every scenario in a process of its own and prints what it observes, one line each: "scenario: observation".
%%
%% A scenario is a function without arguments. What others see for it, they tell it as {seen, Text}. A wait for something
%% that must come is next/0; a wait that shows that nothing comes is quiet/0.
-module(scenarios).
-export([main/0]).
-export([say/1, next/0, quiet/0, both/0, report/1, queued/1, at_last/2, pid/0, outcome/1, reason/1]).
-export([idle/0, at_go/1, answering/0, trapper/1, dead/0, alive/1]).

main() ->
    logger:set_primary_config(level, none),
    Modules = [exit_signals, links, monitors, mailboxes, calls, timers],
    [run(Module, Name) || Module <- Modules, Name <- Module:all()],
    halt(0).

run(Module, Name) ->
    {Pid, Ref} = spawn_monitor(fun() -> put(scenario, Name), Module:Name() end),
    receive
        {'DOWN', Ref, process, Pid, normal} -> ok;
        {'DOWN', Ref, process, Pid, Reason} -> io:format("~s: crashed ~0p~n", [Name, Reason])
    end.

%% What a scenario observes.

say(Text) when is_atom(Text) -> say(atom_to_list(Text));
say(Text) when is_integer(Text) -> say(integer_to_list(Text));
say(Text) -> io:format("~s: ~s~n", [get(scenario), Text]).

next() -> next(5000).

quiet() -> next(50).

next(Limit) ->
    receive
        {seen, Text} -> Text;
        {'DOWN', _, process, _, Reason} -> "down " ++ reason(Reason);
        {'EXIT', _, Reason} -> "exit " ++ reason(Reason)
    after Limit -> "nothing"
    end.

%% Two observations whose order is not promised.
both() -> lists:sort([next(), next()]).

%% Tells a scenario all that this process sees.
report(To) ->
    To ! {seen, next(infinity)},
    report(To).

%% Waits until so many messages are in the mailbox of this process.
queued(N) ->
    case process_info(self(), message_queue_len) of
        {message_queue_len, N} -> ok;
        _ -> timer:sleep(1), queued(N)
    end.

%% Looks until it sees what must come at last.
at_last(Value, Look) ->
    case Look() of
        Value -> Value;
        _ -> timer:sleep(1), at_last(Value, Look)
    end.

pid() -> receive {pid, Pid} -> Pid end.

%% What becomes of a call.
outcome(Call) ->
    try "answer " ++ integer_to_list(Call())
    catch exit:{Reason, {gen_server, call, _}} -> reason(Reason)
    end.

reason(Reason) when is_atom(Reason) -> atom_to_list(Reason);
reason({shutdown, Reason}) -> "{shutdown," ++ reason(Reason) ++ "}";
reason({{nocatch, Reason}, Stack}) when is_list(Stack) -> "{{nocatch," ++ reason(Reason) ++ "},stack}";
reason({Reason, Stack}) when is_list(Stack) -> "{" ++ reason(Reason) ++ ",stack}".

%% Processes that scenarios use.

idle() -> receive after infinity -> ok end.

%% Ends with a reason when it is told to go.
at_go(Reason) -> fun() -> receive go -> exit(Reason) end end.

%% Answers each call with 42.
answering() ->
    receive {'$gen_call', From, _} -> gen_server:reply(From, 42) end,
    answering().

%% Traps exits and tells all it sees.
trapper(To) ->
    fun() ->
        process_flag(trap_exit, true),
        To ! {seen, "ready"},
        report(To)
    end.

%% A pid whose process has ended.
dead() ->
    {Pid, Ref} = spawn_monitor(fun() -> ok end),
    receive {'DOWN', Ref, process, Pid, normal} -> Pid end.

alive(Pid) ->
    case is_process_alive(Pid) of
        true -> "alive";
        false -> "dead"
    end.
