#include "model/affinity.h"

#include <sched.h>

#include <algorithm>

#include "base/strings.h"

namespace tidegate::model {
namespace {

constexpr std::string_view kNode = "numa:";

Result<std::vector<unsigned>> parse_list(std::string_view text) {
    std::vector<unsigned> cpus;
    for (const std::string_view part : tidegate::split(text, ',')) {
        const std::string_view range = trim(part);
        const std::size_t dash = range.find('-');
        const auto first = parse_u64(range.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : parse_u64(range.substr(dash + 1));
        if (!first || !last || *first > *last || *last >= CPU_SETSIZE) {
            return fail(ErrorCode::kInvalidArgument, "is a list of processors such as 0-3,8 or a node such as numa:0");
        }
        for (std::uint64_t cpu = *first; cpu <= *last; ++cpu) cpus.push_back(static_cast<unsigned>(cpu));
    }
    std::ranges::sort(cpus);
    const auto repeated = std::ranges::unique(cpus);
    cpus.erase(repeated.begin(), repeated.end());
    return cpus;
}

}  // namespace

Result<std::vector<unsigned>> cpus_of(std::string_view text, const Disk& disk, const std::string& nodes) {
    if (text.empty()) return std::vector<unsigned>{};
    if (!text.starts_with(kNode)) return parse_list(text);
    const auto node = parse_u64(text.substr(kNode.size()));
    if (!node) return fail(ErrorCode::kInvalidArgument, "numa: is followed by the number of a node");
    constexpr std::uint64_t kListBytesMax = 64U * 1024;
    const auto list = disk.read(nodes + "/node" + std::to_string(*node) + "/cpulist", kListBytesMax);
    if (!list || trim(*list).empty()) {
        return fail(ErrorCode::kInvalidArgument, "this machine has no processors on node " + std::to_string(*node));
    }
    return parse_list(trim(*list));
}

Result<void> check_cpus(std::string_view text) {
    if (text.empty()) return {};
    if (text.starts_with(kNode)) {
        if (parse_u64(text.substr(kNode.size()))) return {};
        return fail(ErrorCode::kInvalidArgument, "numa: is followed by the number of a node");
    }
    TG_CHECK(parse_list(text));
    return {};
}

Result<void> pin_thread(std::span<const unsigned> cpus) {
    if (cpus.empty()) return {};
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const unsigned cpu : cpus) {
        if (cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
    }
    // Thread 0 is the caller.
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        return fail(ErrorCode::kInvalidArgument, "this process may run on none of the processors named");
    }
    return {};
}

}  // namespace tidegate::model
