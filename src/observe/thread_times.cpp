#include "observe/thread_times.h"

#include <dirent.h>
#include <malloc.h>
#include <unistd.h>

#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/strings.h"

namespace tidegate::observe {
namespace {

// Fields after the name in /proc/self/task/N/stat: utime is 14, stime 15, counted from 1; the first after the name is 3.
constexpr std::size_t kUserTime = 14 - 3;
constexpr std::size_t kSystemTime = 15 - 3;

std::string group_of(std::string_view name, std::string_view process_name) {
    if (name == process_name) return "other";
    return std::string(name.substr(0, name.find(':')));
}

void add_thread(std::map<std::string, ThreadGroup>& out, std::string_view stat, std::string_view process_name) {
    const std::size_t open = stat.find('(');
    const std::size_t close = stat.rfind(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close + 2 > stat.size()) return;
    const std::vector<std::string_view> fields = split(stat.substr(close + 2), ' ');
    if (fields.size() <= kSystemTime) return;
    const auto user = parse_double(fields[kUserTime]);
    const auto system = parse_double(fields[kSystemTime]);
    if (!user || !system) return;
    ThreadGroup& group = out[group_of(stat.substr(open + 1, close - open - 1), process_name)];
    group.cpu_seconds += (*user + *system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    group.threads += 1;
}

}  // namespace

std::map<std::string, ThreadGroup> read_threads() {
    std::map<std::string, ThreadGroup> out;
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/task"), &::closedir);
    if (folder == nullptr) return out;
    const SystemDisk disk;
    // The first thread has the program's name, and so has each that was not given one.
    const std::string process_name(trim(disk.read("/proc/self/comm", 64).value_or("")));
    while (const dirent* entry = ::readdir(folder.get())) {
        if (entry->d_name[0] == '.') continue;
        // A thread that ended meanwhile has no file.
        const auto stat = disk.read(std::string("/proc/self/task/") + entry->d_name + "/stat", 4096);
        if (stat) add_thread(out, *stat, process_name);
    }
    return out;
}

HeapSample read_heap() {
    const struct mallinfo2 info = ::mallinfo2();
    const auto used = static_cast<double>(info.uordblks) + static_cast<double>(info.hblkhd);
    const auto arena = static_cast<double>(info.arena) + static_cast<double>(info.hblkhd);
    constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
    if (arena <= 0) return {kUnknown, kUnknown};
    return {used, arena};
}

}  // namespace tidegate::observe
