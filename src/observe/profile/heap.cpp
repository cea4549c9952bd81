#include "observe/profile/heap.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <span>

#include "observe/profile/frames.h"
#include "observe/profile/stack_table.h"

namespace tidegate::profile {
namespace heap {

constinit thread_local std::int64_t bytes_left = 0;
constinit std::array<std::atomic<std::uint16_t>, kMarks> marks{};

namespace {

constinit std::atomic<std::int64_t> heap_began_ns{0};
constinit std::atomic<bool> hooked{false};
constinit std::atomic<std::uint64_t> seed{0x9e3779b97f4a7c15U};
constinit std::atomic<std::uint64_t> without_room{0};
constinit thread_local std::uint64_t dice = 0;

/// Not base's Mutex: that one tells of its waits, and whoever listens may stand in an allocation.
class Spin {
  public:
    void lock() noexcept {
        while (taken_.test_and_set(std::memory_order_acquire)) taken_.wait(true, std::memory_order_relaxed);
    }
    void unlock() noexcept {
        taken_.clear(std::memory_order_release);
        taken_.notify_one();
    }

  private:
    std::atomic_flag taken_;
};

struct Held {
    Spin& lock;
    explicit Held(Spin& of) noexcept : lock(of) { lock.lock(); }
    ~Held() { lock.unlock(); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
};

struct Live {
    std::uintptr_t block = 0;  // 0: free.
    std::int64_t objects = 0;
    std::int64_t bytes = 0;
    int slot = 0;
};

constexpr std::size_t kPlaces = 2 * kHeapLiveMax;  // Half empty, so that probing stays short.

/// Drawn blocks in use by address: linear probing, no tombstones (a removal shifts back what follows).
struct LiveBlocks {
    Spin lock;
    std::size_t count = 0;
    std::array<Live, kPlaces> places{};

    static std::size_t home(std::uintptr_t block) noexcept { return ((block * 0x9e3779b97f4a7c15U) >> 32U) % kPlaces; }
    bool insert(const Live& live) noexcept {
        const Held held(lock);
        if (count >= kHeapLiveMax) return false;
        std::size_t at = home(live.block);
        while (places[at].block != 0) at = (at + 1) % kPlaces;
        places[at] = live;
        ++count;
        return true;
    }
    Live take(std::uintptr_t block) noexcept {
        const Held held(lock);
        std::size_t at = home(block);
        while (places[at].block != block) {
            if (places[at].block == 0) return {};
            at = (at + 1) % kPlaces;
        }
        const Live found = places[at];
        for (std::size_t next = (at + 1) % kPlaces; places[next].block != 0; next = (next + 1) % kPlaces) {
            const std::size_t wanted = home(places[next].block);
            // It may move into the hole unless its home lies behind the hole on the way to where it stands.
            if ((next + kPlaces - wanted) % kPlaces >= (next + kPlaces - at) % kPlaces) {
                places[at] = places[next];
                at = next;
            }
        }
        places[at] = {};
        --count;
        return found;
    }
};

constinit LiveBlocks live_blocks;

struct Tables {
    StackTable all, in_use;
};

// Never destroyed: blocks go back while the process ends.
Tables& tables() {
    alignas(Tables) static std::array<std::byte, sizeof(Tables)> place;
    static Tables* const made = std::construct_at(reinterpret_cast<Tables*>(place.data()));
    return *made;
}

/// Exponential with mean kHeapPeriod: the bytes up to the next one that is drawn.
std::int64_t next_distance() noexcept {
    if (dice == 0) dice = seed.fetch_add(0x9e3779b97f4a7c15U, std::memory_order_relaxed) | 1U;
    // xorshift64 (Marsaglia, 2003): no secret, any even spread will do.
    dice ^= dice << 13U;
    dice ^= dice >> 7U;
    dice ^= dice << 17U;
    const double unit = (static_cast<double>(dice >> 11U) + 1.0) / 9007199254740993.0;  // In (0, 1).
    return static_cast<std::int64_t>(-std::log(unit) * static_cast<double>(kHeapPeriod)) + 1;
}

}  // namespace

[[gnu::noinline]] void draw(void* block, std::size_t bytes) noexcept {
    const bool is_first = dice == 0;
    bytes_left = next_distance();
    // The first of a thread only begins the count: its distance was not drawn.
    if (is_first || block == nullptr || heap_began_ns.load(std::memory_order_relaxed) == 0) return;
    std::array<std::uintptr_t, kFramesMax> frames;
    std::span<const std::uintptr_t> stack = std::span(frames).first(walk_here(frames));
    // Who asked comes after the operator new that called this.
    const auto in_new = std::ranges::find(stack, reinterpret_cast<std::uintptr_t>(__builtin_return_address(0)));
    if (in_new != stack.end()) stack = stack.subspan(static_cast<std::size_t>(in_new - stack.begin()) + 1);
    const double size = static_cast<double>(bytes);
    const double weight = 1.0 / -std::expm1(-size / static_cast<double>(kHeapPeriod));
    Live live{.block = reinterpret_cast<std::uintptr_t>(block),
              .objects = std::llround(weight),
              .bytes = std::llround(weight * size)};
    static_cast<void>(tables().all.add(stack, live.objects, live.bytes));
    live.slot = tables().in_use.hold(stack, live.objects, live.bytes);
    if (live.slot < 0) return;  // The table counted it.
    if (!live_blocks.insert(live)) {
        tables().in_use.release(live.slot, live.objects, live.bytes);
        without_room.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    marks[mark_of(block)].fetch_add(1, std::memory_order_relaxed);
}

[[gnu::noinline]] void give_back(void* block) noexcept {
    const Live found = live_blocks.take(reinterpret_cast<std::uintptr_t>(block));
    if (found.block == 0) return;  // Another block with the same mark.
    marks[mark_of(block)].fetch_sub(1, std::memory_order_relaxed);
    tables().in_use.release(found.slot, found.objects, found.bytes);
}

}  // namespace heap

void set_heap_hooked() noexcept {
    heap::hooked.store(true, std::memory_order_relaxed);
}

bool heap_hooked() noexcept {
    return heap::hooked.load(std::memory_order_relaxed);
}

bool start_heap(const Clock& clock) {
    if constexpr (!kSupported) return false;
    prepare_walks();
    heap::tables();  // Made here and not inside somebody's allocation.
    std::int64_t never = 0;
    static_cast<void>(heap::heap_began_ns.compare_exchange_strong(
        never, std::max<std::int64_t>(1, clock.now().time_since_epoch().count())));
    return true;
}

Profile heap_profile(const Clock& clock) {
    Profile profile;
    profile.types = {
        {"alloc_objects", "count"}, {"alloc_space", "bytes"}, {"inuse_objects", "count"}, {"inuse_space", "bytes"}};
    profile.period_type = {"space", "bytes"};
    profile.period = kHeapPeriod;
    profile.taken_at = clock.unix_ms();
    profile.duration = clock.now().time_since_epoch() - Duration(heap::heap_began_ns.load());
    std::map<std::vector<std::uintptr_t>, std::array<std::int64_t, 4>> sums;
    for (const Sample& sample : heap::tables().all.samples()) {
        sums[sample.stack][0] += sample.values[0];
        sums[sample.stack][1] += sample.values[1];
    }
    for (const Sample& sample : heap::tables().in_use.samples()) {
        sums[sample.stack][2] += sample.values[0];
        sums[sample.stack][3] += sample.values[1];
    }
    for (const auto& [stack, values] : sums) {
        profile.samples.push_back({.stack = stack, .values = {values.begin(), values.end()}, .thread = {}});
    }
    profile.dropped = heap::tables().all.dropped() + heap::tables().in_use.dropped() + heap::without_room.load();
    return profile;
}

}  // namespace tidegate::profile
