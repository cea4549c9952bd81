// Warmup: asks again what was asked most, so that the cache holds it before it is wanted.
//
// Position    Beside Flow: the same fills, without a client. Of each key the question stands in HotKeys.
// Guarantee   Every key is counted once, as what became of it. Nobody's credential travels, and upstreams are asked as for work
//             that can wait (batch). What is fresh, here or in Redis, is not asked for again.
// Memory      kAtOnce fills.
// Threads     The loop it was made for; the counts: any.
// When it fails  A key whose route is gone or whose upstream does not answer counts as failed; the others go on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "observe/metrics.h"
#include "pipeline/cache/hot_keys.h"
#include "runtime/timer_wheel.h"
#include "services/proxy/loop.h"
#include "services/proxy/question.h"

namespace tidegate::proxy {

struct WarmupReport {
    std::uint64_t keys = 0;        // That it began with: the sum of the others, `asked` aside.
    std::uint64_t asked = 0;       // For which somebody was asked: Redis, or the upstream.
    std::uint64_t fresh = 0;       // Kept and fresh already.
    std::uint64_t busy = 0;        // A client was fetching it.
    std::uint64_t stored = 0;      // Asked, and fresh in the cache now.
    std::uint64_t not_kept = 0;    // Asked and answered, but the answer may not be kept.
    std::uint64_t failed = 0;      // No answer, or the route is gone.
    std::uint64_t unfinished = 0;  // The time was over first.
};

/// Over all warm-ups of a process.
struct WarmupCounts {
    using Count = std::atomic<std::uint64_t>;
    Count fresh{0}, busy{0}, stored{0}, not_kept{0}, failed{0}, unfinished{0};
};
void declare_metrics(observe::Registry& registry, const WarmupCounts& counts);

class Warmup final : public runtime::Timer, public std::enable_shared_from_this<Warmup> {
  public:
    using Done = std::move_only_function<void(const WarmupReport&)>;
    static constexpr std::size_t kAtOnce = 8;

    /// All outlive it, or drop() has been called.
    Warmup(ProxyLoop& loop, const std::vector<ProxyRoutePtr>& routes, std::vector<cache::HotKey> keys,
           WarmupCounts& counts, Done done);
    ~Warmup() override;

    void start(Duration deadline);
    /// The loop goes: nothing is said any more.
    void drop();
    bool ended() const noexcept { return ended_; }

  private:
    class Item;
    void on_timer() override;
    void go_on();
    void begin(const cache::HotKey& hot);
    void item_ended(Item& item, bool answered);
    bool is_fresh(const cache::Key& key) const;
    void finish();

    ProxyLoop& loop_;
    const std::vector<ProxyRoutePtr>& routes_;
    const std::vector<cache::HotKey> keys_;
    WarmupCounts& counts_;
    Done done_;
    WarmupReport report_;
    std::size_t next_ = 0;
    std::unordered_set<std::shared_ptr<Item>> items_;
    bool going_on_ = false;
    bool ended_ = false;
};

}  // namespace tidegate::proxy
