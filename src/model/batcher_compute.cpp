#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "model/batcher_core.h"

namespace tidegate::model {
namespace {

std::uint64_t units_of(const BatchRequest& request) noexcept {
    return static_cast<std::uint64_t>(request.rows) * std::max(request.tokens, 1U);
}

}  // namespace

void Batcher::Core::compute(Instance& me) {
    me.requests.clear();
    for (Waiting* waiting : me.batch.members) me.requests.push_back(&waiting->request);
    const bool alone = me.requests.size() == 1;
    const auto& wanted = me.requests.front()->wanted;

    auto result = Result<std::shared_ptr<PassResult>>();
    SteadyTime assembled = me.began;
    if (const auto inputs = me.runner.assemble(me.requests, me.batch.rows, me.batch.longest)) {
        if (!alone) assembled = clock_.now();
        result = run_session(*me.session, *inputs, wanted, &me.cancelled);
    } else {
        result = std::unexpected(inputs.error());
    }
    const SteadyTime ran = clock_.now();
    if (result && !alone) {
        if (auto rows = check_rows(**result, *me.session, wanted, me.batch.rows); !rows) {
            result = std::unexpected(std::move(rows).error());
        }
    }
    if (result) {
        times_.add(me.batch.units(), ran - assembled, ran);
        inline_gate_.ran_on_instance(ran - assembled < options_.inline_below, alone);
        BatcherStats::Pass pass{.rows = me.batch.rows,
                                .tokens_padded = static_cast<std::uint64_t>(me.batch.rows) * me.batch.longest,
                                .tokens_real = me.batch.tokens_real,
                                .cut = me.batch.cut,
                                .input = assembled - me.began,
                                .infer = ran - assembled,
                                .at = clock_.unix_ms()};
        hand_out(me, *result, pass);
    } else if (me.cancelled.load(std::memory_order_relaxed)) {
        stats_.cancelled.fetch_add(1, std::memory_order_relaxed);
        fail_all(me, error_of(Ended::kGone, Duration{}));
    } else if (alone) {
        fail_all(me, result.error());
    } else {
        isolate(me);
    }
    me.runner.trim();
    me.computing.store(false, std::memory_order_relaxed);
    deliver(me.told, me.answers);
}

void Batcher::Core::hand_out(Instance& me, const std::shared_ptr<PassResult>& result, BatcherStats::Pass& pass) {
    std::uint32_t first = 0;
    for (Waiting* waiting : me.batch.members) {
        BatchRequest& request = waiting->request;
        BatchAnswer answer;
        answer.outputs = std::move(request.inputs);  // Its capacity.
        const RowsAt at{.first = first,
                        .count = request.rows,
                        .tokens = request.tokens,
                        .all = me.batch.members.size() == 1,
                        .pass_rows = me.batch.rows,
                        .longest = me.batch.longest};
        first += request.rows;
        auto owner = take_rows(result, options_, request.wanted, at, answer.outputs);
        request.owner.reset();
        if (!owner) {
            settle(*waiting, std::unexpected(std::move(owner).error()), me.told);
            continue;
        }
        answer.owner = *std::move(owner);
        answer.queued = me.began - waiting->arrived;
        answer.computed = pass.infer;
        answer.batch_rows = me.batch.rows;
        answer.cut = me.batch.cut;
        stats_.queued_ns.fetch_add(static_cast<std::uint64_t>(std::max(answer.queued.count(), Duration::rep{0})),
                                   std::memory_order_relaxed);
        stats_.queued.record(answer.queued);
        settle(*waiting, std::move(answer), me.told);
    }
    pass.output = clock_.now() - me.began - pass.input - pass.infer;
    stats_.pass(pass);
}

void Batcher::Core::fail_all(Instance& me, const Error& error) {
    for (Waiting* waiting : me.batch.members) settle(*waiting, std::unexpected(error), me.told);
}

// The batch failed: each by itself, so that only the one that the model cannot take fails.
void Batcher::Core::isolate(Instance& me) {
    stats_.isolated.fetch_add(me.batch.members.size(), std::memory_order_relaxed);
    for (Waiting* waiting : me.batch.members) {
        BatchRequest& request = waiting->request;
        const SteadyTime began = clock_.now();
        auto result = run_session(*me.session, request.inputs, request.wanted, &me.cancelled);
        if (!result) {
            settle(*waiting, std::unexpected(std::move(result).error()), me.told);
            continue;
        }
        const SteadyTime ran = clock_.now();
        BatchAnswer answer;
        answer.outputs = std::move(request.inputs);
        const RowsAt at{.count = request.rows, .tokens = request.tokens, .all = true, .pass_rows = request.rows};
        auto owner = take_rows(*result, options_, request.wanted, at, answer.outputs);
        TG_ASSERT(owner.has_value());  // Nothing is cut, so nothing is copied.
        answer.owner = *std::move(owner);
        answer.queued = began - waiting->arrived;
        answer.computed = ran - began;
        answer.batch_rows = request.rows;
        answer.cut = me.batch.cut;
        stats_.pass({.rows = request.rows,
                     .tokens_padded = static_cast<std::uint64_t>(request.rows) * request.tokens,
                     .tokens_real = static_cast<std::uint64_t>(request.rows) * request.tokens,
                     .cut = me.batch.cut,
                     .infer = ran - began,
                     .at = clock_.unix_ms()});
        settle(*waiting, std::move(answer), me.told);
    }
}

// Counts the end and puts the answer to those to be told.
void Batcher::Core::settle(Waiting& waiting, Answer answer, std::vector<Told>& told) {
    if (!waiting.part) {
        const bool gone = !answer && answer.error().code == ErrorCode::kCancelled;
        count_end(answer ? Ended::kAnswered : gone ? Ended::kGone : Ended::kFailed, clock_.now() - waiting.arrived);
    }
    told.push_back({std::move(waiting.request.done), std::move(answer), std::move(waiting.request.sink)});
}

// Once for each sink, once for each request that names none. Empties `told`.
void Batcher::Core::deliver(std::vector<Told>& told, std::vector<Answered>& scratch) {
    for (std::size_t i = 0; i < told.size(); ++i) {
        if (told[i].sink == nullptr) {
            if (told[i].done) told[i].done(std::move(told[i].answer));
            continue;
        }
        const std::shared_ptr<AnswerSink> sink = std::move(told[i].sink);
        scratch.clear();
        scratch.push_back({std::move(told[i].done), std::move(told[i].answer)});
        for (std::size_t j = i + 1; j < told.size(); ++j) {
            if (told[j].sink != sink) continue;
            scratch.push_back({std::move(told[j].done), std::move(told[j].answer)});
            told[j].sink.reset();
            told[j].done = nullptr;  // Moved from: nothing to call.
        }
        sink->deliver(scratch);
    }
    told.clear();
    scratch.clear();
}

bool Batcher::Core::try_inline(BatchRequest& request) {
    if (options_.inline_below.count() <= 0 || stats_.rows_waiting.load(std::memory_order_relaxed) > 0) return false;
    const std::uint64_t units = units_of(request);
    if (!inline_gate_.open() || !times_.stays_under(units, options_.inline_below)) return false;
    // close() waits for those that were let in before it.
    inline_now_.fetch_add(1);
    if (closed_.load()) {
        inline_now_.fetch_sub(1);
        return false;
    }
    const SteadyTime began = clock_.now();
    Session& session = *sessions_[observe::thread_shard() % sessions_.size()];
    auto result = run_session(session, request.inputs, request.wanted, nullptr);
    const SteadyTime ran = clock_.now();
    AnswerDone done = std::move(request.done);
    const auto sink = std::move(request.sink);
    Answer answer;
    if (result) {
        times_.add(units, ran - began, ran);
        inline_gate_.ran_here(ran - began < options_.inline_below);
        stats_.pass({.rows = request.rows,
                     .tokens_padded = static_cast<std::uint64_t>(request.rows) * request.tokens,
                     .tokens_real = static_cast<std::uint64_t>(request.rows) * request.tokens,
                     .inlined = true,
                     .infer = ran - began,
                     .at = clock_.unix_ms()});
        stats_.queued.record(std::uint64_t{0});
        answer->outputs = std::move(request.inputs);
        const RowsAt at{.count = request.rows, .tokens = request.tokens, .all = true, .pass_rows = request.rows};
        answer->owner = *take_rows(*result, options_, request.wanted, at, answer->outputs);
        answer->computed = ran - began;
        answer->batch_rows = request.rows;
        count_end(Ended::kAnswered, ran - began);
    } else {
        answer = std::unexpected(std::move(result).error());
        count_end(Ended::kFailed, ran - began);
    }
    request.owner.reset();
    inline_now_.fetch_sub(1);
    // From here on nothing of this object: the answer may let it go.
    if (sink == nullptr) {
        done(std::move(answer));
    } else {
        Answered one{std::move(done), std::move(answer)};
        sink->deliver({&one, 1});
    }
    return true;
}

}  // namespace tidegate::model
