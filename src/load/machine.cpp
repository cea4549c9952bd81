#include "load/machine.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "base/file.h"
#include "base/strings.h"

namespace tidegate::load {
namespace {

namespace fs = std::filesystem;

// /proc/cpuinfo of a machine of many cores, packed-refs of a large repository.
constexpr std::uint64_t kFileBytesMax = 16ULL * 1024 * 1024;

/// Empty when it cannot be read.
std::string text_of(const fs::path& path) {
    const SystemDisk disk;
    return disk.read(path.string(), kFileBytesMax).value_or("");
}

std::string first_line(const fs::path& path) {
    const std::string text = text_of(path);
    return std::string(trim(std::string_view(text).substr(0, text.find('\n'))));
}

std::string processor() {
    const std::string text = text_of("/proc/cpuinfo");
    for (const std::string_view line : split(text, '\n')) {
        const std::size_t colon = line.find(':');
        if (line.starts_with("model name") && colon != std::string_view::npos)
            return std::string(trim(line.substr(colon + 1)));
    }
    return "unknown";
}

/// `.git` is a folder, or in a work tree a file that names it.
fs::path git_folder() {
    std::error_code ignored;
    fs::path at = fs::current_path(ignored);
    while (!at.empty()) {
        fs::path git = at / ".git";
        if (fs::is_directory(git, ignored)) return git;
        if (fs::is_regular_file(git, ignored)) {
            const std::string line = first_line(git);
            if (line.starts_with("gitdir: ")) return at / line.substr(8);
        }
        if (at == at.root_path()) break;
        at = at.parent_path();
    }
    return {};
}

std::string commit_of(const fs::path& git) {
    std::string head = first_line(git / "HEAD");
    if (!head.starts_with("ref: ")) return head;
    const std::string name = head.substr(5);
    if (std::string loose = first_line(git / name); !loose.empty()) return loose;
    const std::string packed = text_of(git / "packed-refs");
    for (const std::string_view line : split(packed, '\n')) {
        if (line.ends_with(" " + name)) return std::string(line.substr(0, line.find(' ')));
    }
    return {};
}

unsigned usable_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 0;
    return static_cast<unsigned>(CPU_COUNT(&set));
}

}  // namespace

Machine look_at_machine() {
    Machine machine;
    machine.cpu = processor();
    machine.cores = usable_cores();
    utsname name{};
    if (::uname(&name) == 0) machine.kernel = name.release;
    machine.memory_gib = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE)) /
                         (1024.0 * 1024 * 1024);
    double load = 0;
    if (::getloadavg(&load, 1) == 1) machine.load_before = load;
    if (const fs::path git = git_folder(); !git.empty()) machine.commit = commit_of(git);
    return machine;
}

}  // namespace tidegate::load
