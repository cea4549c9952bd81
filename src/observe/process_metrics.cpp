#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/strings.h"
#include "observe/metrics.h"
#include "observe/process.h"

namespace tidegate::observe {
namespace {

// Fields of /proc/self/stat by their number in proc(5), from 3 (the state): the name before them may hold
// spaces.
class ProcessStat {
  public:
    ProcessStat() {
        line_ = SystemDisk().read("/proc/self/stat", 4096).value_or("");
        const std::size_t end = line_.rfind(')');
        if (end != std::string::npos && end + 2 < line_.size()) {
            fields_ = split(std::string_view(line_).substr(end + 2), ' ');
        }
    }
    // NaN when the file could not be read: better no number than a wrong one.
    double field(std::size_t number) const {
        if (number - 3 >= fields_.size()) return std::numeric_limits<double>::quiet_NaN();
        return parse_double(fields_[number - 3]).value_or(std::numeric_limits<double>::quiet_NaN());
    }

  private:
    std::string line_;
    std::vector<std::string_view> fields_;
};

double ticks_per_second() {
    return static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double cpu_seconds() {
    const ProcessStat stat;
    return (stat.field(14) + stat.field(15)) / ticks_per_second();
}

double start_time_seconds() {
    // 4 MiB: the interrupt line alone grows with the machine.
    const std::string text = SystemDisk().read("/proc/stat", 4U << 20U).value_or("");
    for (const std::string_view line : split(text, '\n')) {
        if (!line.starts_with("btime ")) continue;
        const double boot = parse_double(line.substr(6)).value_or(std::numeric_limits<double>::quiet_NaN());
        return boot + ProcessStat().field(22) / ticks_per_second();
    }
    return std::numeric_limits<double>::quiet_NaN();
}

double open_fds() {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), &::closedir);
    if (folder == nullptr) return std::numeric_limits<double>::quiet_NaN();
    double count = 0;
    while (const dirent* entry = ::readdir(folder.get())) {
        if (entry->d_name[0] != '.') ++count;
    }
    return count - 1;  // Without the one that reads the folder.
}

double max_fds() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<double>::quiet_NaN();
    return limit.rlim_cur == RLIM_INFINITY ? HUGE_VAL : static_cast<double>(limit.rlim_cur);
}

void add(Registry& registry, FamilySpec spec, MetricType type, double (*read)()) {
    registry.callback(std::move(spec), type, [read](Samples& samples) { samples.add({}, read()); });
}

FamilySpec spec(std::string name, std::string help, std::string unit, std::string when_it_rises) {
    return {.name = std::move(name),
            .help = std::move(help),
            .labels = {},
            .unit = std::move(unit),
            .when_it_rises = std::move(when_it_rises)};
}

}  // namespace

ProcessSample read_process() {
    const ProcessStat stat;
    return {.cpu_seconds = (stat.field(14) + stat.field(15)) / ticks_per_second(),
            .resident_bytes = stat.field(24) * static_cast<double>(::sysconf(_SC_PAGESIZE)),
            .open_descriptors = open_fds(),
            .threads = stat.field(20)};
}

void add_process_metrics(Registry& registry) {
    add(registry,
        spec("process_cpu_seconds_total", "User and system CPU time spent.", "seconds", "Take a CPU profile."),
        MetricType::kCounter, &cpu_seconds);
    add(registry,
        spec("process_resident_memory_bytes", "Resident memory.", "bytes",
             "Compare with connections and caches; take a heap profile."),
        MetricType::kGauge, [] { return ProcessStat().field(24) * static_cast<double>(::sysconf(_SC_PAGESIZE)); });
    add(registry,
        spec("process_virtual_memory_bytes", "Virtual memory.", "bytes", "Mappings grow: models, histograms, threads."),
        MetricType::kGauge, [] { return ProcessStat().field(23); });
    add(registry,
        spec("process_open_fds", "Open file descriptors.", "",
             "Near process_max_fds: raise the limit or find the leak."),
        MetricType::kGauge, &open_fds);
    add(registry, spec("process_max_fds", "Limit of open file descriptors.", "", "It is a setting of the system."),
        MetricType::kGauge, &max_fds);
    add(registry, spec("process_threads", "Threads.", "", "Pools are bounded: a growing number is a bug."),
        MetricType::kGauge, [] { return ProcessStat().field(20); });
    add(registry,
        spec("process_major_page_faults_total", "Page faults that read from disk.", "",
             "Memory is short on the machine."),
        MetricType::kCounter, [] { return ProcessStat().field(12); });
    add(registry,
        spec("process_start_time_seconds", "Unix time of the start.", "seconds", "The process has been restarted."),
        MetricType::kGauge, &start_time_seconds);
}

}  // namespace tidegate::observe
