// Stage: one step of the way of a request. The order of all of them is one list, kStages in dispatcher.cpp.
//
// Position    A stage sees the Context and what stages before it left there; it knows no other stage.
// Guarantee   A stage answers for itself: kNext leaves the request as it should go on, kAnswered means that fail() or an
//             answer was called, kWait that resume() will be called exactly once, on the loop, by whoever it waits for.
// Threads     The loop that owns the connection, up to the hand-over to a pool; then that pool's thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "pipeline/cache/flights.h"
#include "pipeline/limits/verdict.h"
#include "pipeline/spend/ledger.h"

namespace tidegate::pipeline {

class Context;
class Dispatcher;

enum class Step : std::uint8_t { kNext, kAnswered, kWait };

/// All stages; each is defined in a file of its own under stages/.
struct Stages {
    static Step overload(Dispatcher& dispatcher, Context& context);
    static Step identity(Dispatcher& dispatcher, Context& context);
    static Step limit(Dispatcher& dispatcher, Context& context);
    static Step judge_limit(Dispatcher& dispatcher, Context& context, const limits::Verdict& verdict);
    static Step spend(Dispatcher& dispatcher, Context& context);
    static Step judge_spend(Dispatcher& dispatcher, Context& context, spend::Ledger::Outcome outcome);
    static Step admit_body(Dispatcher& dispatcher, Context& context);
    static Step receive(Dispatcher& dispatcher, Context& context);
    static Step look(Dispatcher& dispatcher, Context& context);
    static Step hand_over(Dispatcher& dispatcher, Context& context);
    static Step validate(Dispatcher& dispatcher, Context& context);
    static Step cache(Dispatcher& dispatcher, Context& context);
    static Step handle(Dispatcher& dispatcher, Context& context);

    // Of the stage "cache", in the order in which one may follow another.
    static Step ask(Dispatcher& dispatcher, Context& context, bool on_loop);
    static Step give(Context& context, cache::EntryPtr entry, bool coalesced, bool on_loop);
    static Step consult(Dispatcher& dispatcher, Context& context);
    static Step join(Dispatcher& dispatcher, Context& context);
    static void landed(Dispatcher& dispatcher, Context& context, const cache::Landing& landing);
    static Step lead(Dispatcher& dispatcher, Context& context);
    static void leased(Dispatcher& dispatcher, Context& context, bool mine);
    static void go_on(Dispatcher& dispatcher, Context& context, Step step);
};

/// Stages that decide whether a request may go on: each has counters and may run in shadow (decide and count only).
enum class Guard : std::uint8_t { kOverload, kIdentity, kLimit, kSpend };
inline constexpr std::size_t kGuards = 4;
std::string_view to_string(Guard guard) noexcept;

}  // namespace tidegate::pipeline
