// Maps: which files lie where in this process' memory, as the kernel says it in /proc/self/maps.
//
// Threads     Any; each call reads anew.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate::profile {

struct Mapping {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    std::uint64_t offset = 0;  // In the file.
    bool executable = false;
    std::string file;  // A path, `[stack]`, `[vdso]`; empty: memory of nobody's.
};

/// By address, ascending; empty where there is no such file.
std::vector<Mapping> read_maps();
/// The lines of such a file; a line that is none is left out.
std::vector<Mapping> parse_maps(std::string_view text);
/// Null when the address lies in none.
const Mapping* find_mapping(const std::vector<Mapping>& maps, std::uintptr_t address) noexcept;

}  // namespace tidegate::profile
