// BatchQueue: the requests that wait for one model, and which of them share the next pass.
//
// Position    Batcher holds it under its lock; it knows no thread, no session and no clock: `now` is given.
// Guarantee   Order: a request comes first by `turn`, its arrival + priority x priority_step. A batch begins with the first of
//             all, so whoever waits is overtaken only by more urgent ones that come within that time after it.
// Algorithm   One first-in first-out lane for each kind (wanted outputs, types, shapes beyond the first dimension), level and
//             length class. A batch takes its first lane, then lanes of the same kind by nearness of length: a class spans a
//             factor of 1.5 (1.33), the neighbouring class joins as well. Of a small pass at most a quarter is filling, of one with
//             128 tokens a twelfth. Kinds are found by hash and compared whole before they share a pass.
// Memory      Nodes are kept for reuse: as many as ever waited at once. Empty lanes beyond kLanesKept are freed.
// Threads     None of its own; the caller locks.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "model/batcher.h"
#include "model/batcher_times.h"

namespace tidegate::model {

struct Lane;

/// A request that waits or is in a pass.
struct Waiting {
    BatchRequest request;
    bool part = false;  // Of a request that was split: counted as one where it is joined.
    unsigned level = 0;
    SteadyTime arrived{};
    SteadyTime turn{};
    std::uint64_t number = 0;            // In the order they came: decides between equal turns.
    SteadyTime due = SteadyTime::max();  // The earlier of its deadline and the end of queue_time_max.
    Lane* lane = nullptr;
    Waiting* before = nullptr;
    Waiting* after = nullptr;
};

/// What shares a pass. Its vector keeps its capacity.
struct Batch {
    std::vector<Waiting*> members;
    std::uint32_t rows = 0;
    std::uint32_t longest = 0;
    std::uint64_t tokens_real = 0;
    Cut cut = Cut::kIdle;
    /// What the pass is measured in: padded tokens where the model counts them, else rows.
    std::uint64_t units() const noexcept {
        return longest > 0 ? static_cast<std::uint64_t>(rows) * longest : std::max(rows, 1U);
    }
    void clear() noexcept {
        members.clear();
        rows = longest = 0;
        tokens_real = 0;
        cut = Cut::kIdle;
    }
};

/// One that left without a pass.
struct Dropped {
    Waiting* waiting;
    Ended how;
};

class BatchQueue {
  public:
    explicit BatchQueue(const BatcherOptions& options);
    ~BatchQueue();
    BatchQueue(const BatchQueue&) = delete;
    BatchQueue& operator=(const BatchQueue&) = delete;

    /// Appends; the caller has judged it. The node stays good until release().
    Waiting& push(BatchRequest&& request, bool part, SteadyTime now);
    /// When the next batch is to be cut: `now` or earlier: at once; max(): nothing waits. `hurry`: wait_max does not count.
    SteadyTime cut_at(SteadyTime now, bool hurry) const;
    /// Cuts the next batch into `batch` (empty: nothing was left). What is late or gone goes to `dropped`, what cannot be
    /// computed before its deadline as well while others wait.
    void cut(SteadyTime now, const RunTimes& times, Batch& batch, std::vector<Dropped>& dropped);
    /// Takes out what is late or gone; returns the earliest time at which another will be late.
    SteadyTime sweep(SteadyTime now, std::vector<Dropped>& dropped);
    /// Takes out everything.
    void take_all(Ended how, std::vector<Dropped>& dropped);
    /// Gives a node back that a batch or `dropped` had.
    void release(Waiting& waiting) noexcept;

    bool empty() const noexcept { return count_ == 0; }
    std::uint32_t rows() const noexcept { return rows_; }
    /// Rows that wait at this level or a more urgent one (requests, where each is a pass of its own).
    std::uint64_t load_up_to(unsigned level) const noexcept;
    /// Whether somebody who gathers should look: a lane has a pass full. Told by the last push().
    bool filled() const noexcept { return filled_; }
    /// Load and units of the last passes that left somebody waiting or were full: what a pass takes when much is asked.
    double load_a_pass() const noexcept { return load_a_pass_; }
    double units_a_pass() const noexcept { return units_a_pass_; }

  private:
    static constexpr std::size_t kLanesKept = 64;

    Lane& lane_of(const BatchRequest& request, unsigned level);
    void unlink(Waiting& waiting) noexcept;
    void drop_lane_if_empty(Lane& lane) noexcept;
    Lane* first_lane() const noexcept;
    bool is_full(const Lane& lane) const noexcept;
    std::optional<Ended> over(const Waiting& waiting, SteadyTime now, Duration run) const noexcept;
    bool fits(const Batch& batch, const BatchRequest& request) const noexcept;
    void take(Waiting& waiting, Batch& batch) noexcept;
    Waiting* anchor(SteadyTime now, const RunTimes& times, std::vector<Dropped>& dropped);
    bool fill(Lane& lane, const BatchRequest& like, SteadyTime now, Batch& batch, std::vector<Dropped>& dropped);
    bool same_kind(const BatchRequest& a, const BatchRequest& b) const noexcept;
    void learn(const Batch& batch, bool left_out) noexcept;
    std::uint32_t load(const BatchRequest& request) const noexcept { return options_.batches ? request.rows : 1; }

    const BatcherOptions& options_;
    std::deque<Waiting> nodes_;
    std::vector<Waiting*> free_;
    std::unordered_map<std::uint64_t, Lane> lanes_;
    std::vector<Lane*> active_;   // Those that are not empty.
    std::vector<Lane*> scratch_;  // Lanes that may join a batch.
    std::vector<std::uint64_t> load_by_level_;
    std::size_t count_ = 0;
    std::uint64_t numbers_ = 0;
    std::uint32_t rows_ = 0;
    bool filled_ = false;
    double load_a_pass_;
    double units_a_pass_ = 0;
};

/// One first-in first-out line.
struct Lane {
    std::uint64_t key = 0;
    std::uint64_t kind = 0;
    unsigned level = 0;
    unsigned length = 0;  // Class.
    std::size_t at = 0;   // In active_.
    Waiting* first = nullptr;
    Waiting* last = nullptr;
    std::uint64_t rows = 0;
    std::uint64_t tokens = 0;
};

/// Up to 16, then each doubling in two: 17-24, 25-32, 33-48, 49-64, ...
unsigned length_class(std::uint32_t tokens) noexcept;

}  // namespace tidegate::model
