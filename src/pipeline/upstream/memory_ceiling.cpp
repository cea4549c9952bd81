#include "pipeline/upstream/memory_ceiling.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/strings.h"

namespace tidegate::upstream {
namespace {

// A control group without a limit says `max` (v2) or a number near 2^63 (v1).
constexpr std::uint64_t kUnlimited = 1ULL << 60U;
constexpr Duration kRelieveEvery = std::chrono::seconds(1);

std::optional<std::uint64_t> read_number(const std::string& path) {
    const auto text = SystemDisk().read(path, 64);
    return text ? parse_u64(trim(*text)) : std::nullopt;
}

void lower(std::optional<std::uint64_t>& least, std::optional<std::uint64_t> other) {
    if (other && *other < kUnlimited && (!least || *other < *least)) least = other;
}

// A limit may stand at any level above the group of the process, and inside a container the path that the process reads
// may lie outside of what it sees: the walk goes up to the root of what is mounted.
void lower_by_group(std::optional<std::uint64_t>& least, const std::string& mount, std::string group,
                    std::string_view file) {
    for (;;) {
        lower(least, read_number(mount + group + (group.ends_with('/') ? "" : "/") + std::string(file)));
        if (group.empty() || group == "/") return;
        group.resize(group.rfind('/'));
    }
}

std::uint64_t ceiling_of(const MemoryOptions& options, std::optional<std::uint64_t> allowed) {
    std::uint64_t ceiling = options.bytes_max == 0 ? UINT64_MAX : options.bytes_max;
    if (allowed) {
        ceiling = std::min(ceiling, static_cast<std::uint64_t>(options.share_max * static_cast<double>(*allowed)));
    }
    return ceiling;
}

}  // namespace

std::optional<std::uint64_t> memory_allowed() {
    std::optional<std::uint64_t> least;
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long page = ::sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0) least = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
    const std::string groups = SystemDisk().read("/proc/self/cgroup", 65536).value_or("");
    for (const std::string_view line : split(groups, '\n')) {
        const auto parts = split(line, ':');
        if (parts.size() < 3) continue;
        const std::string group(line.substr(parts[0].size() + parts[1].size() + 2));
        if (parts[1].empty()) lower_by_group(least, "/sys/fs/cgroup", group, "memory.max");
        if (parts[1] == "memory") lower_by_group(least, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
    }
    return least;
}

std::optional<std::uint64_t> memory_resident() {
    // Open for the life of the process; the kernel writes the numbers anew at each read from the beginning.
    static const int descriptor = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    static const long page = ::sysconf(_SC_PAGESIZE);
    std::array<char, 128> text{};
    const ssize_t got = ::pread(descriptor, text.data(), text.size(), 0);
    if (got <= 0 || page <= 0) return std::nullopt;
    const auto fields = split(std::string_view(text.data(), static_cast<std::size_t>(got)), ' ');
    if (fields.size() < 2) return std::nullopt;
    const auto pages = parse_u64(fields[1]);
    if (!pages) return std::nullopt;
    return *pages * static_cast<std::uint64_t>(page);
}

MemoryCeiling::MemoryCeiling(const MemoryOptions& options, std::optional<std::uint64_t> allowed, Read read,
                             std::function<void()> relieve)
    : ceiling_(ceiling_of(options, allowed)), read_(std::move(read)), relieve_(std::move(relieve)) {}

bool MemoryCeiling::refuses(SteadyTime now) {
    if (ceiling_ == UINT64_MAX) return false;
    std::int64_t due = sample_at_.load(std::memory_order_relaxed);
    const std::int64_t next = (now + kSampleEvery).time_since_epoch().count();
    if (now.time_since_epoch().count() >= due &&
        sample_at_.compare_exchange_strong(due, next, std::memory_order_relaxed)) {
        sample(now);
    }
    if (!over_.load(std::memory_order_relaxed)) return false;
    refused_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

void MemoryCeiling::sample(SteadyTime now) {
    const auto resident = read_();
    if (!resident) {
        unreadable_.fetch_add(1, std::memory_order_relaxed);
        over_.store(false, std::memory_order_relaxed);
        return;
    }
    resident_.store(*resident, std::memory_order_relaxed);
    const bool was_over = over_.load(std::memory_order_relaxed);
    const double limit = static_cast<double>(ceiling_) * (was_over ? kBackUnder : 1.0);
    const bool is_over = static_cast<double>(*resident) >= limit;
    over_.store(is_over, std::memory_order_relaxed);
    if (!is_over) return;
    if (!was_over) times_over_.fetch_add(1, std::memory_order_relaxed);
    // Only the thread that won the sampling is here; the next comes 100 ms later.
    if (!relieve_ || (was_over && now.time_since_epoch().count() < relieve_at_.load(std::memory_order_relaxed))) return;
    relieve_at_.store((now + kRelieveEvery).time_since_epoch().count(), std::memory_order_relaxed);
    relieve_();
}

MemorySnapshot MemoryCeiling::snapshot() const noexcept {
    MemorySnapshot shot;
    shot.ceiling_bytes = ceiling_ == UINT64_MAX ? 0 : ceiling_;
    shot.resident_bytes = resident_.load(std::memory_order_relaxed);
    shot.over = over_.load(std::memory_order_relaxed);
    shot.times_over = times_over_.load(std::memory_order_relaxed);
    shot.refused = refused_.load(std::memory_order_relaxed);
    shot.unreadable = unreadable_.load(std::memory_order_relaxed);
    return shot;
}

}  // namespace tidegate::upstream
