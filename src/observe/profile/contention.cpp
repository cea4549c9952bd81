#include "observe/profile/contention.h"

#include <array>
#include <atomic>

#include "base/mutex.h"
#include "observe/profile/frames.h"
#include "observe/profile/stack_table.h"

namespace tidegate::profile {
namespace {

constinit std::atomic<std::int64_t> began_ns{0};

// Never destroyed: threads of libraries may wait for a lock while the process ends.
StackTable& table() {
    alignas(StackTable) static std::array<std::byte, sizeof(StackTable)> place;
    static StackTable* const made = std::construct_at(reinterpret_cast<StackTable*>(place.data()));
    return *made;
}

void on_wait(std::int64_t waited_ns) noexcept {
    std::array<std::uintptr_t, kFramesMax> frames;
    const std::size_t count = walk_here(frames);
    static_cast<void>(table().add(std::span(frames).first(count), 1, waited_ns));
}

}  // namespace

bool start_contention(const Clock& clock) {
    if constexpr (!kSupported) return false;
    std::int64_t never = 0;
    if (!began_ns.compare_exchange_strong(never, clock.now().time_since_epoch().count())) return true;
    prepare_walks();
    table();  // Made here and not inside somebody's lock.
    set_contention_hook(&on_wait);
    return true;
}

Profile contention_profile(const Clock& clock) {
    Profile profile;
    profile.types = {{"contentions", "count"}, {"delay", "nanoseconds"}};
    profile.period_type = {"contentions", "count"};
    profile.period = 1;
    profile.taken_at = clock.unix_ms();
    profile.duration = clock.now().time_since_epoch() - Duration(began_ns.load());
    profile.samples = table().samples();
    profile.dropped = table().dropped();
    return profile;
}

}  // namespace tidegate::profile
