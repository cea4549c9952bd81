#include "bus/block_sender.h"

#include <vector>

namespace tidegate::bus {
namespace {

constexpr Duration kReplaceInterval = std::chrono::seconds(1);

}  // namespace

BlockSender::~BlockSender() {
    stop();
    // Its last reports come while it ends.
    producer_.reset();
}

bool BlockSender::is_full(std::size_t bytes) const {
    return !waiting_.empty() && waiting_bytes_ + bytes > options_.queue_bytes_max;
}

void BlockSender::on_done(std::uint64_t number, std::uint64_t generation, const Result<void>& outcome) {
    {
        const Lock lock(mutex_);
        if (outcome) {
            const std::uint64_t first = waiting_.empty() ? 0 : waiting_.front().number;
            if (!waiting_.empty() && number >= first) {
                waiting_[static_cast<std::size_t>(number - first)].acknowledged = true;
            }
            while (!waiting_.empty() && waiting_.front().acknowledged) {
                ++health_.blocks;
                health_.bytes += waiting_.front().block.size();
                waiting_bytes_ -= waiting_.front().block.size();
                waiting_.pop_front();
            }
            acknowledged_.store(health_.blocks, std::memory_order_relaxed);
            if (generation == generation_) health_.reason.clear();
        } else if (generation == generation_) {
            broken_ = true;
            health_.reason = outcome.error().message;
        }
    }
    changed_.notify_all();
}

Result<void> BlockSender::hand_over(const Waiting& waiting) {
    std::uint64_t generation = 0;
    {
        const Lock lock(mutex_);
        generation = generation_;
    }
    return producer_->send(waiting.key, waiting.block,
                           [this, number = waiting.number, generation](const Result<void>& outcome) {
                               on_done(number, generation, outcome);
                           });
}

// A new producer is given everything that is not acknowledged, in order.
Result<void> BlockSender::ensure_producer() {
    std::vector<Waiting> again;
    {
        const Lock lock(mutex_);
        if (producer_ != nullptr && !broken_) return {};
        if (producer_ != nullptr) {
            if (!stopped_) changed_.wait_for(mutex_, kReplaceInterval);
            if (stopped_) return {};
            ++health_.producers_replaced;
        }
        ++generation_;
    }
    // Whatever it still holds is answered, as failures of an older generation.
    producer_.reset();
    ProducerOptions options = options_;
    // The bound is kept here; the producer must take all of it again.
    options.queue_bytes_max = 2 * options_.queue_bytes_max + 16ULL * 1024 * 1024;
    TG_TRY(producer_, Producer::open(options));
    {
        const Lock lock(mutex_);
        broken_ = false;
        for (const Waiting& one : waiting_) {
            if (!one.acknowledged) again.push_back(one);
        }
    }
    for (const Waiting& one : again) TG_CHECK(hand_over(one));
    return {};
}

Result<bool> BlockSender::send(std::string key, std::string block) {
    for (;;) {
        TG_CHECK(ensure_producer());
        const Lock lock(mutex_);
        if (stopped_) return false;
        if (!broken_ && !is_full(block.size())) break;
        if (!broken_) changed_.wait(mutex_);
    }
    Waiting own;
    {
        const Lock lock(mutex_);
        own = {.number = next_number_++, .key = std::move(key), .block = std::move(block)};
        waiting_.push_back(own);
        waiting_bytes_ += own.block.size();
    }
    if (auto taken = hand_over(own); !taken) {
        if (taken.error().code == ErrorCode::kTooLarge) return std::unexpected(std::move(taken).error());
        // A producer that has just failed: the next one gets it with the others.
        const Lock lock(mutex_);
        broken_ = true;
        health_.reason = taken.error().message;
    }
    return true;
}

Result<bool> BlockSender::wait_all() {
    for (;;) {
        TG_CHECK(ensure_producer());
        const Lock lock(mutex_);
        if (waiting_.empty()) return true;
        if (stopped_) return false;
        if (!broken_) changed_.wait(mutex_);
    }
}

void BlockSender::stop() {
    {
        const Lock lock(mutex_);
        stopped_ = true;
    }
    changed_.notify_all();
}

SenderHealth BlockSender::health() const {
    const Lock lock(mutex_);
    SenderHealth health = health_;
    health.waiting = waiting_.size();
    return health;
}

}  // namespace tidegate::bus
