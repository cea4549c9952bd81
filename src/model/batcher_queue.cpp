#include "model/batcher_queue.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace tidegate::model {
namespace {

// How many that do not fit a batch passes by in one lane, looking for smaller ones. They lose nothing: the first in line begins
// a batch of its own.
constexpr unsigned kPassedByMax = 16;
// At most a quarter of a pass may be filling while it has fewer tokens than this, then a twelfth. (MiniLM on one core: 340 us a token
// alone with 20 tokens, 230 with 60, 160 from 160 tokens on, so beyond that a longer batch gains nothing by itself. Texts of 6 to 50
// tokens, 32 askers: 3.70 ms of CPU a text; with a quarter for all 4.14 and 29 % filling instead of 14.)
constexpr std::uint64_t kTokensEnough = 128;
constexpr std::uint64_t kFillingSmall = 4;
constexpr std::uint64_t kFillingLarge = 12;

// splitmix64's finisher (Steele, Lea, Flood 2014).
std::uint64_t mix(std::uint64_t hash, std::uint64_t value) noexcept {
    hash += value + 0x9e3779b97f4a7c15ULL;
    hash = (hash ^ (hash >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    hash = (hash ^ (hash >> 27U)) * 0x94d049bb133111ebULL;
    return hash ^ (hash >> 31U);
}

bool pads(const BatcherOptions& options, std::size_t input) noexcept {
    return input < options.pad_inputs.size() && options.pad_inputs[input].pads;
}

bool comes_before(const Waiting& a, const Waiting& b) noexcept {
    return a.turn != b.turn ? a.turn < b.turn : a.number < b.number;
}

}  // namespace

unsigned length_class(std::uint32_t tokens) noexcept {
    if (tokens <= 16) return 0;
    const std::uint32_t last = tokens - 1;
    const auto doubling = static_cast<unsigned>(std::bit_width(last)) - 5;  // 16..31: 0.
    const bool upper = ((last >> (doubling + 3)) & 1U) != 0;
    return 1 + 2 * doubling + (upper ? 1U : 0U);
}

BatchQueue::BatchQueue(const BatcherOptions& options)
    : options_(options), load_by_level_(options.priorities), load_a_pass_(options.batches ? options.rows_max : 1) {}

BatchQueue::~BatchQueue() = default;

Waiting& BatchQueue::push(BatchRequest&& request, bool part, SteadyTime now) {
    if (free_.empty()) {
        nodes_.emplace_back();
        free_.reserve(nodes_.size());  // So that release() never allocates.
        free_.push_back(&nodes_.back());
    }
    Waiting& waiting = *free_.back();
    free_.pop_back();
    waiting.request = std::move(request);
    waiting.part = part;
    waiting.level = std::min(waiting.request.priority, options_.priorities - 1);
    waiting.arrived = now;
    waiting.number = ++numbers_;
    waiting.turn = now + waiting.level * options_.priority_step;
    waiting.due = waiting.request.deadline == SteadyTime{} ? SteadyTime::max() : waiting.request.deadline;
    if (options_.queue_time_max.count() > 0) waiting.due = std::min(waiting.due, now + options_.queue_time_max);

    Lane& lane = lane_of(waiting.request, waiting.level);
    waiting.lane = &lane;
    waiting.before = lane.last;
    waiting.after = nullptr;
    (lane.last != nullptr ? lane.last->after : lane.first) = &waiting;
    lane.last = &waiting;
    if (waiting.before == nullptr) {
        lane.at = active_.size();
        active_.push_back(&lane);
    }
    lane.rows += waiting.request.rows;
    lane.tokens += static_cast<std::uint64_t>(waiting.request.rows) * waiting.request.tokens;
    rows_ += waiting.request.rows;
    load_by_level_[waiting.level] += load(waiting.request);
    ++count_;
    filled_ = is_full(lane);
    return waiting;
}

Lane& BatchQueue::lane_of(const BatchRequest& request, unsigned level) {
    std::uint64_t kind = 0;
    unsigned length = 0;
    if (options_.batches) {
        for (const std::uint32_t output : request.wanted) kind = mix(kind, output);
        for (std::size_t i = 0; i < request.inputs.size(); ++i) {
            const TensorView& input = request.inputs[i];
            kind = mix(kind, static_cast<std::uint64_t>(input.type) << 8U | input.shape.size());
            for (std::size_t d = pads(options_, i) ? 2 : 1; d < input.shape.size(); ++d) {
                kind = mix(kind, static_cast<std::uint64_t>(input.shape[d]));
            }
        }
        length = length_class(request.tokens);
    }
    const std::uint64_t key = mix(mix(kind, level), length);
    const auto [found, made] = lanes_.try_emplace(key);
    if (made) found->second = Lane{.key = key, .kind = kind, .level = level, .length = length};
    return found->second;
}

bool BatchQueue::is_full(const Lane& lane) const noexcept {
    return !options_.batches || lane.rows >= options_.rows_max ||
           (options_.tokens_max > 0 && lane.tokens >= options_.tokens_max);
}

std::uint64_t BatchQueue::load_up_to(unsigned level) const noexcept {
    std::uint64_t load = 0;
    for (std::size_t i = 0; i < load_by_level_.size() && i <= level; ++i) load += load_by_level_[i];
    return load;
}

void BatchQueue::unlink(Waiting& waiting) noexcept {
    Lane& lane = *waiting.lane;
    (waiting.before != nullptr ? waiting.before->after : lane.first) = waiting.after;
    (waiting.after != nullptr ? waiting.after->before : lane.last) = waiting.before;
    waiting.before = waiting.after = nullptr;
    lane.rows -= waiting.request.rows;
    lane.tokens -= static_cast<std::uint64_t>(waiting.request.rows) * waiting.request.tokens;
    rows_ -= waiting.request.rows;
    load_by_level_[waiting.level] -= load(waiting.request);
    --count_;
    if (lane.first == nullptr) {
        active_[lane.at] = active_.back();
        active_[lane.at]->at = lane.at;
        active_.pop_back();
    }
}

// Not in unlink(): a lane that is being walked stays.
void BatchQueue::drop_lane_if_empty(Lane& lane) noexcept {
    if (lane.first == nullptr && lanes_.size() > kLanesKept) lanes_.erase(lane.key);
}

void BatchQueue::release(Waiting& waiting) noexcept {
    waiting.request = BatchRequest{};
    free_.push_back(&waiting);
}

Lane* BatchQueue::first_lane() const noexcept {
    Lane* first = nullptr;
    for (Lane* lane : active_) {
        if (first == nullptr || comes_before(*lane->first, *first->first)) first = lane;
    }
    return first;
}

SteadyTime BatchQueue::cut_at(SteadyTime now, bool hurry) const {
    if (count_ == 0) return SteadyTime::max();
    if (hurry || options_.wait_max.count() <= 0 || !options_.batches) return now;
    SteadyTime at = SteadyTime::max();
    for (const Lane* lane : active_) {
        if (is_full(*lane)) return now;
        // Who would be late by waiting for company does not wait for it.
        at = std::min({at, lane->first->arrived + options_.wait_max, lane->first->due - options_.wait_max});
    }
    return at;
}

std::optional<Ended> BatchQueue::over(const Waiting& waiting, SteadyTime now, Duration run) const noexcept {
    const BatchRequest& request = waiting.request;
    if (request.gone != nullptr && request.gone->load(std::memory_order_relaxed)) return Ended::kGone;
    if (waiting.due <= now) return Ended::kExpired;
    if (request.deadline != SteadyTime{} && now + run > request.deadline) return Ended::kExpired;
    return std::nullopt;
}

Waiting* BatchQueue::anchor(SteadyTime now, const RunTimes& times, std::vector<Dropped>& dropped) {
    for (;;) {
        Lane* lane = first_lane();
        if (lane == nullptr) return nullptr;
        Waiting& first = *lane->first;
        // A request that nobody competes with is computed though it may come late: it is what measures the pace again.
        const std::uint64_t units =
            std::max<std::uint64_t>(first.request.rows * std::max<std::uint64_t>(first.request.tokens, 1), 1);
        const Duration run = count_ > 1 ? times.expected(units, now) : Duration{};
        const auto ended = over(first, now, run);
        if (!ended) return &first;
        unlink(first);
        drop_lane_if_empty(*lane);
        dropped.push_back({&first, *ended});
    }
}

bool BatchQueue::fits(const Batch& batch, const BatchRequest& request) const noexcept {
    if (batch.members.empty()) return true;
    const std::uint64_t rows = static_cast<std::uint64_t>(batch.rows) + request.rows;
    if (rows > options_.rows_max) return false;
    return options_.tokens_max == 0 || rows * std::max(batch.longest, request.tokens) <= options_.tokens_max;
}

void BatchQueue::take(Waiting& waiting, Batch& batch) noexcept {
    unlink(waiting);
    batch.members.push_back(&waiting);
    batch.rows += waiting.request.rows;
    batch.longest = std::max(batch.longest, waiting.request.tokens);
    batch.tokens_real += static_cast<std::uint64_t>(waiting.request.rows) * waiting.request.tokens;
}

bool BatchQueue::same_kind(const BatchRequest& a, const BatchRequest& b) const noexcept {
    if (a.wanted != b.wanted || a.inputs.size() != b.inputs.size()) return false;
    for (std::size_t i = 0; i < a.inputs.size(); ++i) {
        const TensorView& one = a.inputs[i];
        const TensorView& other = b.inputs[i];
        if (one.type != other.type || one.shape.size() != other.shape.size()) return false;
        for (std::size_t d = pads(options_, i) ? 2 : 1; d < one.shape.size(); ++d) {
            if (one.shape[d] != other.shape[d]) return false;
        }
    }
    return true;
}

// True when somebody of the lane was left out because the batch had no room.
bool BatchQueue::fill(Lane& lane, const BatchRequest& like, SteadyTime now, Batch& batch,
                      std::vector<Dropped>& dropped) {
    bool left_out = false;
    unsigned passed_by = 0;
    for (Waiting* waiting = lane.first; waiting != nullptr && passed_by < kPassedByMax;) {
        Waiting& next = *waiting;
        waiting = waiting->after;
        if (batch.rows >= options_.rows_max) return true;
        if (const auto ended = over(next, now, Duration{})) {
            unlink(next);
            dropped.push_back({&next, *ended});
            continue;
        }
        const BatchRequest& request = next.request;
        if (!same_kind(request, like)) {
            ++passed_by;
            continue;
        }
        if (!fits(batch, request)) {
            left_out = true;
            ++passed_by;
            continue;
        }
        if (batch.longest > 0) {
            // What is filled up is computed like what is real. While a pass is small another row is worth some of that; later not.
            const std::uint64_t padded =
                (static_cast<std::uint64_t>(batch.rows) + request.rows) * std::max(batch.longest, request.tokens);
            const std::uint64_t real = batch.tokens_real + static_cast<std::uint64_t>(request.rows) * request.tokens;
            const std::uint64_t share = batch.tokens_real < kTokensEnough ? kFillingSmall : kFillingLarge;
            if (padded - real > padded / share) {
                ++passed_by;
                continue;
            }
        }
        take(next, batch);
    }
    return left_out;
}

void BatchQueue::cut(SteadyTime now, const RunTimes& times, Batch& batch, std::vector<Dropped>& dropped) {
    batch.clear();
    Waiting* const first = anchor(now, times, dropped);
    if (first == nullptr) return;
    Lane* const home = first->lane;
    const bool waited = options_.wait_max.count() > 0 && options_.batches && now - first->arrived >= options_.wait_max;
    take(*first, batch);
    bool left_out = !options_.batches || batch.rows >= options_.rows_max;
    if (!left_out && count_ > 0) {
        scratch_.clear();
        const auto distance = [home](const Lane* lane) {
            return lane->length > home->length ? lane->length - home->length : home->length - lane->length;
        };
        for (Lane* lane : active_) {
            if (lane->kind == home->kind && distance(lane) <= 1) scratch_.push_back(lane);
        }
        std::ranges::sort(scratch_, [&](const Lane* a, const Lane* b) {
            return distance(a) != distance(b) ? distance(a) < distance(b) : comes_before(*a->first, *b->first);
        });
        for (Lane* lane : scratch_) {
            left_out = fill(*lane, first->request, now, batch, dropped) || left_out;
            if (lane != home) drop_lane_if_empty(*lane);
        }
        left_out = left_out || batch.rows >= options_.rows_max;
    }
    drop_lane_if_empty(*home);
    batch.cut = left_out && options_.batches ? Cut::kFull : waited ? Cut::kTime : Cut::kIdle;
    learn(batch, left_out && options_.batches);
}

// Weight 1/8: some ten passes to follow a change.
void BatchQueue::learn(const Batch& batch, bool left_out) noexcept {
    if (!left_out && count_ == 0) return;
    if (options_.batches) load_a_pass_ += (batch.rows - load_a_pass_) / 8;
    const auto units = static_cast<double>(batch.units());
    units_a_pass_ += units_a_pass_ == 0 ? units : (units - units_a_pass_) / 8;
}

SteadyTime BatchQueue::sweep(SteadyTime now, std::vector<Dropped>& dropped) {
    SteadyTime next_due = SteadyTime::max();
    for (std::size_t i = active_.size(); i-- > 0;) {
        Lane& lane = *active_[i];
        for (Waiting* waiting = lane.first; waiting != nullptr;) {
            Waiting& one = *waiting;
            waiting = waiting->after;
            if (const auto ended = over(one, now, Duration{})) {
                unlink(one);
                dropped.push_back({&one, *ended});
            } else {
                next_due = std::min(next_due, one.due);
            }
        }
        drop_lane_if_empty(lane);
    }
    return next_due;
}

void BatchQueue::take_all(Ended how, std::vector<Dropped>& dropped) {
    while (!active_.empty()) {
        Lane& lane = *active_.back();
        while (lane.first != nullptr) {
            Waiting& one = *lane.first;
            unlink(one);
            dropped.push_back({&one, how});
        }
        drop_lane_if_empty(lane);
    }
}

}  // namespace tidegate::model
