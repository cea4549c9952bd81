// ElfSymbols: the functions of one program or library file, from its symbol tables and from its separate debug file.
//
// Algorithm   .symtab of the file; when it was stripped, that of the debug file which .gnu_debuglink names (beside it, in
//             `.debug/` beside it) or which its build id names under /usr/lib/debug. A debug file with another build id is not
//             this file's and is left alone. .dynsym besides, for what a stripped library exports.
// Guarantee   Whatever the bytes, nothing outside them is read: a broken file has fewer symbols.
// Memory      The names, one string for all; the file is let go of again.
// Threads     Immutable once read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace tidegate::profile {

class ElfSymbols {
  public:
    /// Empty when it cannot be read or is no 64-bit little-endian ELF file.
    static ElfSymbols read(const Disk& disk, const std::string& path);

    /// The mangled name of the function at a place of the file (not of memory); empty: unknown.
    std::string_view at_offset(std::uint64_t file_offset) const noexcept;
    /// Lower-case hex; empty when the file has none.
    const std::string& build_id() const noexcept { return build_id_; }
    std::size_t size() const noexcept { return symbols_.size(); }

  private:
    struct Symbol {
        std::uint64_t address;  // As linked.
        std::uint64_t size;     // 0: up to the next one.
        std::uint32_t name_at;
        std::uint32_t name_size;
    };
    struct Segment {
        std::uint64_t offset;
        std::uint64_t size;
        std::uint64_t address;
    };
    class File;
    void take(const File& file, std::uint32_t section_type);
    void take_debug_file(const Disk& disk, const File& file, const std::string& path);
    void sort();

    std::vector<Symbol> symbols_;
    std::vector<Segment> segments_;
    std::string names_;
    std::string build_id_;
};

}  // namespace tidegate::profile
