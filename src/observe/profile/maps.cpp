#include "observe/profile/maps.h"

#include <algorithm>
#include <charconv>

#include "base/file.h"
#include "base/strings.h"

namespace tidegate::profile {
namespace {

constexpr std::uint64_t kMapsBytesMax = 16 * 1024 * 1024;  // 130,000 mappings; the kernel allows 65,530.

bool read_hex(std::string_view text, std::uint64_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
    return error == std::errc() && end == text.data() + text.size();
}

// `55d0-55e0 r-xp 00001000 08:01 1234   /usr/bin/x`
bool parse_line(std::string_view line, Mapping& out) {
    const auto next = [&line] {
        const std::size_t end = std::min(line.find(' '), line.size());
        const std::string_view word = line.substr(0, end);
        line.remove_prefix(std::min(end + 1, line.size()));
        return word;
    };
    const std::string_view range = next();
    const std::string_view rights = next();
    const std::string_view offset = next();
    next();  // Device.
    next();  // Inode.
    const std::size_t dash = range.find('-');
    if (dash == std::string_view::npos || rights.size() < 3) return false;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    if (!read_hex(range.substr(0, dash), begin) || !read_hex(range.substr(dash + 1), end)) return false;
    if (!read_hex(offset, out.offset)) return false;
    out.begin = static_cast<std::uintptr_t>(begin);
    out.end = static_cast<std::uintptr_t>(end);
    out.executable = rights[2] == 'x';
    out.file = trim(line);
    return true;
}

}  // namespace

std::vector<Mapping> parse_maps(std::string_view text) {
    std::vector<Mapping> maps;
    for (const std::string_view line : split(text, '\n')) {
        Mapping mapping;
        if (parse_line(line, mapping)) maps.push_back(std::move(mapping));
    }
    return maps;
}

std::vector<Mapping> read_maps() {
    const auto text = SystemDisk().read("/proc/self/maps", kMapsBytesMax);
    return text ? parse_maps(*text) : std::vector<Mapping>();
}

const Mapping* find_mapping(const std::vector<Mapping>& maps, std::uintptr_t address) noexcept {
    const auto after = std::ranges::upper_bound(maps, address, {}, &Mapping::begin);
    if (after == maps.begin()) return nullptr;
    const Mapping& mapping = *std::prev(after);
    return address < mapping.end ? &mapping : nullptr;
}

}  // namespace tidegate::profile
