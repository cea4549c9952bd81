#include "model/batcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "model/batcher_core.h"
#include "model/batcher_join.h"

namespace tidegate::model {
namespace {

// More threads than this for one model is a slip of the pen.
constexpr unsigned kInstancesMax = 256;
constexpr unsigned kPrioritiesMax = 64;
constexpr std::uint32_t kPassRowsMax = 65'536;
// Of its deadline a request may use so much by the estimate: the estimate is a mean, and half of what just fits would miss.
constexpr double kDeadlineShare = 0.8;
// A full queue is looked through for clients that have gone at most so often.
constexpr Duration kSweepApart = std::chrono::milliseconds(1);

bool fits(DataType type, std::int64_t value) {
    switch (type) {
        case DataType::kBool:
            return value == 0 || value == 1;
        case DataType::kUint8:
            return std::in_range<std::uint8_t>(value);
        case DataType::kUint16:
            return std::in_range<std::uint16_t>(value);
        case DataType::kUint32:
            return std::in_range<std::uint32_t>(value);
        case DataType::kUint64:
            return value >= 0;
        case DataType::kInt8:
            return std::in_range<std::int8_t>(value);
        case DataType::kInt16:
            return std::in_range<std::int16_t>(value);
        case DataType::kInt32:
            return std::in_range<std::int32_t>(value);
        case DataType::kInt64:
        case DataType::kFp32:
        case DataType::kFp64:
            return true;
        case DataType::kFp16:
        case DataType::kBf16:
        case DataType::kBytes:
            return value == 0;
    }
    return false;
}

Result<void> check(const BatcherOptions& options, std::span<const std::shared_ptr<Session>> sessions) {
    const auto bad = [](std::string what) { return fail(ErrorCode::kInvalidArgument, std::move(what)); };
    if (sessions.empty()) return bad("a batcher needs a session");
    if (options.instances == 0 || options.instances > kInstancesMax) {
        return bad(fmt::format("instances is {}; 1 to {} are possible", options.instances, kInstancesMax));
    }
    if (options.rows_max == 0 || options.rows_max > kPassRowsMax) {
        return bad(fmt::format("rows_max is {}; 1 to {} are possible", options.rows_max, kPassRowsMax));
    }
    if (options.queue_rows_max < options.rows_max) {
        return bad(fmt::format("queue_rows_max ({}) is less than the rows of one pass ({})", options.queue_rows_max,
                               options.rows_max));
    }
    if (options.priorities == 0 || options.priorities > kPrioritiesMax) {
        return bad(fmt::format("priorities is {}; 1 to {} are possible", options.priorities, kPrioritiesMax));
    }
    if (std::min({options.wait_max, options.queue_time_max, options.priority_step, options.inline_below}) <
        Duration{}) {
        return bad("a time of the batcher is negative");
    }
    const auto inputs = sessions.front()->inputs();
    const auto outputs = sessions.front()->outputs();
    if (!options.pad_inputs.empty() && options.pad_inputs.size() != inputs.size()) {
        return bad(
            fmt::format("padding is given for {} inputs, the model has {}", options.pad_inputs.size(), inputs.size()));
    }
    if (!options.cut_outputs.empty() && options.cut_outputs.size() != outputs.size()) {
        return bad(fmt::format("cut_outputs is given for {} outputs, the model has {}", options.cut_outputs.size(),
                               outputs.size()));
    }
    for (std::size_t i = 0; i < options.pad_inputs.size(); ++i) {
        if (options.pad_inputs[i].pads && !fits(inputs[i].type, options.pad_inputs[i].value)) {
            return bad(fmt::format("input \"{}\" is filled up with {}, which {} cannot hold", inputs[i].name,
                                   options.pad_inputs[i].value, to_string(inputs[i].type)));
        }
    }
    return {};
}

std::int64_t whole_ms(Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

Result<std::unique_ptr<Batcher>> Batcher::create(std::string name, BatcherOptions options,
                                                 std::vector<std::shared_ptr<Session>> sessions, const Clock& clock) {
    TG_CHECK(check(options, sessions));
    auto core = std::make_shared<Core>(std::move(name), std::move(options), std::move(sessions), clock);
    Core::start(core);
    return std::unique_ptr<Batcher>(new Batcher(std::move(core)));
}

Batcher::Batcher(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Batcher::~Batcher() {
    core_->close(Close::kDrain);
}

void Batcher::submit(BatchRequest request) {
    core_->submit(std::move(request));
}

void Batcher::close(Close how) {
    core_->close(how);
}

Duration Batcher::retry_after() const {
    return core_->retry_after();
}

const BatcherStats& Batcher::stats() const noexcept {
    return core_->stats();
}

const BatcherOptions& Batcher::options() const noexcept {
    return core_->options();
}

void Batcher::tick() {
    core_->tick();
}

void Batcher::Core::submit(BatchRequest&& request) {
    const Session& session = *sessions_.front();
    if (auto good = check_request(request, options_, session.inputs().size(), session.outputs().size()); !good) {
        refuse(std::move(request), Ended::kMalformed, std::move(good).error().message);
        return;
    }
    std::uint32_t rows_each = std::numeric_limits<std::uint32_t>::max();
    if (options_.batches) {
        rows_each = options_.rows_max;
        if (options_.tokens_max > 0 && request.tokens > 0) {
            const std::uint64_t by_tokens = options_.tokens_max / request.tokens;
            rows_each = static_cast<std::uint32_t>(std::min<std::uint64_t>(rows_each, by_tokens));
        }
        if (rows_each == 0) {
            refuse(std::move(request), Ended::kTooLarge,
                   fmt::format("a sequence of {} tokens; a pass of model {} takes {}", request.tokens, name_,
                               options_.tokens_max));
            return;
        }
        const bool whole = options_.oversize == Oversize::kRefuse;
        if (request.rows > (whole ? rows_each : options_.queue_rows_max)) {
            refuse(std::move(request), Ended::kTooLarge,
                   fmt::format("a request of {} rows; model {} takes {} in one request", request.rows, name_,
                               whole ? rows_each : options_.queue_rows_max));
            return;
        }
    }
    if (request.rows <= rows_each && try_inline(request)) return;

    const SteadyTime now = clock_.now();
    std::vector<Dropped> dropped;
    std::optional<Ended> refused;
    bool wake = false;
    {
        const Lock lock(mutex_);
        refused = admit(request, now, dropped);
        if (!refused) {
            push(request, rows_each, now);
            wake = wake_one();
            // Who gathers looks again when a pass is full, or when somebody cannot wait so long.
            if (gathering_ > 0 && queue_.cut_at(now, false) <= now) wake = true;
        }
        stats_.rows_waiting.store(queue_.rows(), std::memory_order_relaxed);
    }
    if (wake) wake_.notify_one();
    if (!dropped.empty()) tell_dropped(dropped);
    if (refused) refuse(std::move(request), *refused, {});
}

// Why it is refused, if it is.
std::optional<Ended> Batcher::Core::admit(const BatchRequest& request, SteadyTime now, std::vector<Dropped>& dropped) {
    if (closed_.load(std::memory_order_relaxed)) return Ended::kClosed;
    if (request.gone != nullptr && request.gone->load(std::memory_order_relaxed)) return Ended::kGone;
    const bool has_deadline = request.deadline != SteadyTime{};
    if (has_deadline && request.deadline <= now) return Ended::kExpired;
    const auto full = [&]() TG_REQUIRES(mutex_) {
        return !queue_.empty() && static_cast<std::uint64_t>(queue_.rows()) + request.rows > options_.queue_rows_max;
    };
    if (full() && now - swept_at_ >= kSweepApart) {
        (void)queue_.sweep(now, dropped);
        swept_at_ = now;
    }
    if (full()) return Ended::kQueueFull;
    // An instance is free: it measures the pace, whatever the last estimate was.
    const bool free_now = std::ranges::any_of(instances_, [](const auto& instance) {
        return !instance->busy || !instance->computing.load(std::memory_order_relaxed);
    });
    if (free_now && queue_.rows() < options_.rows_max) return std::nullopt;
    const bool bounded = options_.queue_time_max.count() > 0;
    if (!has_deadline && !bounded) return std::nullopt;
    const unsigned level = std::min(request.priority, options_.priorities - 1);
    const Duration wait = wait_of(queue_.load_up_to(level), now);
    if (bounded && wait > options_.queue_time_max) return Ended::kTooLate;
    if (has_deadline) {
        const Duration run = times_.expected(static_cast<std::uint64_t>(std::max(queue_.units_a_pass(), 1.0)), now);
        const Duration left = request.deadline - now;
        if (static_cast<double>((wait + run).count()) > kDeadlineShare * static_cast<double>(left.count())) {
            return Ended::kTooLate;
        }
    }
    return std::nullopt;
}

// How long until what is `load` has been begun: the rest of the passes that run, and those before it.
Duration Batcher::Core::wait_of(std::uint64_t load, SteadyTime now) {
    Duration rest = Duration::max();
    for (const auto& instance : instances_) {
        if (!instance->busy) {
            rest = Duration{};
            continue;
        }
        // A pass that is over its time will last about as long again as it is over.
        const Duration left = instance->expected - (now - instance->began);
        const Duration known = instance->expected.count() > 0 ? std::chrono::abs(left) : Duration{};
        rest = std::min(rest, known);
    }
    const double passes = static_cast<double>(load) / std::max(queue_.load_a_pass(), 1.0);
    const auto rounds = static_cast<std::int64_t>(passes / options_.instances);
    const Duration run = times_.expected(static_cast<std::uint64_t>(std::max(queue_.units_a_pass(), 1.0)), now);
    return rest + rounds * run;
}

Duration Batcher::Core::retry_after() {
    const Lock lock(mutex_);
    const Duration wait = wait_of(queue_.load_up_to(options_.priorities), clock_.now());
    return std::max<Duration>(wait, std::chrono::milliseconds(1));
}

void Batcher::Core::push(BatchRequest& request, std::uint32_t rows_each, SteadyTime now) {
    if (request.rows <= rows_each) {
        const Waiting& waiting = queue_.push(std::move(request), false, now);
        look_by(now, std::min(waiting.due, now + std::chrono::milliseconds(100)));
        return;
    }
    stats_.split.fetch_add(1, std::memory_order_relaxed);
    auto parts = split(std::move(request), rows_each, [this, now](Answered whole, std::shared_ptr<AnswerSink> sink) {
        Ended how = Ended::kAnswered;
        if (!whole.answer) {
            switch (whole.answer.error().code) {
                case ErrorCode::kCancelled:
                    how = Ended::kGone;
                    break;
                case ErrorCode::kDeadlineExceeded:
                    how = Ended::kExpired;
                    break;
                default:
                    how = Ended::kFailed;
                    break;
            }
        }
        count_end(how, clock_.now() - now);
        if (sink == nullptr) {
            whole.done(std::move(whole.answer));
        } else {
            sink->deliver({&whole, 1});
        }
    });
    for (BatchRequest& part : parts) {
        const Waiting& waiting = queue_.push(std::move(part), true, now);
        look_by(now, std::min(waiting.due, now + std::chrono::milliseconds(100)));
    }
}

void Batcher::Core::refuse(BatchRequest&& request, Ended how, std::string why) {
    Error error = why.empty() ? error_of(how, Duration{})
                              : Error{how == Ended::kTooLarge ? ErrorCode::kTooLarge : ErrorCode::kInvalidArgument,
                                      std::move(why)};
    count_end(how, Duration{});
    const auto sink = std::move(request.sink);
    Answered one{std::move(request.done), std::unexpected(std::move(error))};
    if (sink == nullptr) {
        one.done(std::move(one.answer));
    } else {
        sink->deliver({&one, 1});
    }
}

Error Batcher::Core::error_of(Ended how, Duration waited) const {
    switch (how) {
        case Ended::kQueueFull:
            return {ErrorCode::kUnavailable,
                    fmt::format("the queue of model {} is full: it holds {} rows", name_, options_.queue_rows_max)};
        case Ended::kTooLate:
            return {ErrorCode::kUnavailable,
                    fmt::format("model {} has too much waiting to answer this request in time", name_)};
        case Ended::kClosed:
            return {ErrorCode::kUnavailable, fmt::format("model {} is being unloaded", name_)};
        case Ended::kExpired:
            return {ErrorCode::kDeadlineExceeded,
                    fmt::format("the request waited {} ms for model {} and could not be computed in time",
                                whole_ms(waited), name_)};
        case Ended::kGone:
            return {ErrorCode::kCancelled, "nobody waits for the answer any more"};
        case Ended::kAnswered:
        case Ended::kFailed:
        case Ended::kTooLarge:
        case Ended::kMalformed:
            break;
    }
    return {ErrorCode::kInternal, fmt::format("model {} could not take the request", name_)};
}

void Batcher::Core::count_end(Ended how, Duration since) noexcept {
    stats_.end(how);
    const auto ns = static_cast<std::uint64_t>(std::max(since.count(), Duration::rep{0}));
    (how == Ended::kAnswered ? stats_.answered_ns : stats_.failed_ns).fetch_add(ns, std::memory_order_relaxed);
}

}  // namespace tidegate::model
