#include "observe/profile/elf_symbols.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>

#include "base/hash.h"

namespace tidegate::profile {
namespace {

constexpr std::uint64_t kFileBytesMax = 1024ULL * 1024 * 1024;
constexpr std::size_t kNamesBytesMax = 512UL * 1024 * 1024;  // Places in it are 32 bits wide.

}  // namespace

/// The bytes of a file with what its headers say, every place checked.
class ElfSymbols::File {
  public:
    /// Null: not read, or not such a file.
    static std::unique_ptr<const File> open(const Disk& disk, const std::string& path) {
        auto bytes = disk.read(path, kFileBytesMax);
        if (!bytes) return nullptr;
        auto file = std::make_unique<File>(*std::move(bytes));
        Elf64_Ehdr head{};
        if (!file->get(0, head) || std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0) return nullptr;
        if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_ident[EI_DATA] != ELFDATA2LSB) return nullptr;
        for (std::uint64_t i = 0; i < head.e_phnum; ++i) {
            Elf64_Phdr segment{};
            if (file->get(head.e_phoff + i * sizeof segment, segment)) file->segments.push_back(segment);
        }
        for (std::uint64_t i = 0; i < head.e_shnum; ++i) {
            Elf64_Shdr section{};
            if (file->get(head.e_shoff + i * sizeof section, section)) file->sections.push_back(section);
        }
        if (head.e_shstrndx < file->sections.size()) {
            file->section_names = file->content(file->sections[head.e_shstrndx]);
        }
        return file;
    }
    explicit File(std::string bytes) : bytes_(std::move(bytes)) {}
    File(const File&) = delete;  // Its views are of its own bytes.
    File& operator=(const File&) = delete;

    template <class T>
    bool get(std::uint64_t at, T& out) const {
        if (at > bytes_.size() || bytes_.size() - at < sizeof out) return false;
        std::memcpy(&out, bytes_.data() + at, sizeof out);
        return true;
    }
    std::string_view content(const Elf64_Shdr& section) const {
        if (section.sh_type == SHT_NOBITS) return {};
        return range(section.sh_offset, section.sh_size);
    }
    std::string_view range(std::uint64_t at, std::uint64_t size) const {
        if (at > bytes_.size() || bytes_.size() - at < size) return {};
        return std::string_view(bytes_).substr(at, size);
    }
    /// Up to the next zero byte.
    static std::string_view text(std::string_view table, std::uint64_t at) {
        if (at >= table.size()) return {};
        const std::string_view rest = table.substr(at);
        return rest.substr(0, std::min(rest.find('\0'), rest.size()));
    }
    std::string_view section(std::string_view name) const {
        for (const Elf64_Shdr& one : sections) {
            if (text(section_names, one.sh_name) == name) return content(one);
        }
        return {};
    }
    bool has(std::uint32_t type) const {
        return std::ranges::any_of(sections, [&](const Elf64_Shdr& one) { return one.sh_type == type; });
    }
    std::string build_id() const {
        // A note: sizes of name and content, type, `GNU\0`, the id.
        const std::string_view note = section(".note.gnu.build-id");
        constexpr std::size_t kHeadBytes = 16;
        if (note.size() <= kHeadBytes) return {};
        const std::string_view id = note.substr(kHeadBytes);
        return to_hex(reinterpret_cast<const std::uint8_t*>(id.data()), id.size());
    }

    std::vector<Elf64_Phdr> segments;
    std::vector<Elf64_Shdr> sections;
    std::string_view section_names;

  private:
    const std::string bytes_;
};

ElfSymbols ElfSymbols::read(const Disk& disk, const std::string& path) {
    ElfSymbols out;
    const auto file = File::open(disk, path);
    if (file == nullptr) return out;
    out.build_id_ = file->build_id();
    for (const Elf64_Phdr& segment : file->segments) {
        if (segment.p_type != PT_LOAD) continue;
        out.segments_.push_back({.offset = segment.p_offset, .size = segment.p_filesz, .address = segment.p_vaddr});
    }
    out.take(*file, SHT_DYNSYM);
    if (file->has(SHT_SYMTAB)) {
        out.take(*file, SHT_SYMTAB);
    } else {
        out.take_debug_file(disk, *file, path);
    }
    out.sort();
    return out;
}

void ElfSymbols::take_debug_file(const Disk& disk, const File& file, const std::string& path) {
    std::vector<std::string> places;
    if (const std::string name(File::text(file.section(".gnu_debuglink"), 0)); !name.empty()) {
        const std::string folder = std::filesystem::path(path).parent_path().string();
        places = {folder + "/" + name, folder + "/.debug/" + name};
    }
    if (build_id_.size() > 2) {
        places.push_back("/usr/lib/debug/.build-id/" + build_id_.substr(0, 2) + "/" + build_id_.substr(2) + ".debug");
    }
    for (const std::string& place : places) {
        const auto debug = File::open(disk, place);
        if (debug == nullptr || debug->build_id() != build_id_) continue;
        return take(*debug, SHT_SYMTAB);
    }
}

void ElfSymbols::take(const File& file, std::uint32_t section_type) {
    for (const Elf64_Shdr& section : file.sections) {
        if (section.sh_type != section_type || section.sh_link >= file.sections.size()) continue;
        const std::string_view table = file.content(section);
        const std::string_view names = file.content(file.sections[section.sh_link]);
        for (std::size_t at = 0; at + sizeof(Elf64_Sym) <= table.size(); at += sizeof(Elf64_Sym)) {
            Elf64_Sym symbol{};
            std::memcpy(&symbol, table.data() + at, sizeof symbol);
            const unsigned kind = ELF64_ST_TYPE(symbol.st_info);
            if ((kind != STT_FUNC && kind != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF) continue;
            const std::string_view name = File::text(names, symbol.st_name);
            if (name.empty() || names_.size() + name.size() > kNamesBytesMax) continue;
            symbols_.push_back({.address = symbol.st_value,
                                .size = symbol.st_size,
                                .name_at = static_cast<std::uint32_t>(names_.size()),
                                .name_size = static_cast<std::uint32_t>(name.size())});
            names_ += name;
        }
    }
}

void ElfSymbols::sort() {
    // The larger one last of those at one address: it is found first, and covers more.
    std::ranges::sort(symbols_, [](const Symbol& a, const Symbol& b) {
        return a.address != b.address ? a.address < b.address : a.size < b.size;
    });
}

std::string_view ElfSymbols::at_offset(std::uint64_t file_offset) const noexcept {
    const auto segment = std::ranges::find_if(segments_, [&](const Segment& one) {
        return file_offset >= one.offset && file_offset - one.offset < one.size;
    });
    if (segment == segments_.end()) return {};
    const std::uint64_t address = file_offset - segment->offset + segment->address;
    const auto after = std::ranges::upper_bound(symbols_, address, {}, &Symbol::address);
    if (after == symbols_.begin()) return {};
    const Symbol& symbol = *std::prev(after);
    if (symbol.size != 0 && address - symbol.address >= symbol.size) return {};
    return std::string_view(names_).substr(symbol.name_at, symbol.name_size);
}

}  // namespace tidegate::profile
