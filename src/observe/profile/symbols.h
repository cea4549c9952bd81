// Symbols: which function an address of this process belongs to, with the file it lies in.
//
// Algorithm   The memory map says which file, the file's symbol tables (elf_symbols.h) which function. Files are read when an
//             address of theirs is asked for first, and kept as long as this object: a few hundred milliseconds and some
//             10 MB for our own program, so never on an event loop.
// Threads     One.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "observe/profile/elf_symbols.h"
#include "observe/profile/maps.h"

namespace tidegate::profile {

/// `tidegate::http::Server::run`: demangled, without parameters, template arguments and what returns. A name that is not
/// mangled stays as it is.
std::string plain_name(std::string_view mangled);

class Symbols {
  public:
    struct Place {
        std::string_view mangled;  // Empty: the file does not say.
        std::string name;          // plain_name(), or `[file+0x12ab]`, or `[0x7f...]`.
        std::size_t mapping = 0;   // Index in maps(); kNoMapping: in none.
    };
    static constexpr std::size_t kNoMapping = static_cast<std::size_t>(-1);

    explicit Symbols(const Disk& disk) : disk_(disk), maps_(read_maps()) {}
    /// Good as long as this object.
    const Place& find(std::uintptr_t address);
    const std::vector<Mapping>& maps() const noexcept { return maps_; }
    /// Of the file of a mapping; empty when none of its addresses was asked for.
    std::string_view build_id(std::size_t mapping) const;

  private:
    Place resolve(std::uintptr_t address);

    const Disk& disk_;
    const std::vector<Mapping> maps_;
    std::map<std::string, ElfSymbols, std::less<>> files_;
    std::map<std::uintptr_t, Place> known_;
};

}  // namespace tidegate::profile
