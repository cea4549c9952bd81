#include "observe/profile/symbols.h"

#include <cxxabi.h>
#include <fmt/format.h>

#include <cstdlib>
#include <memory>

namespace tidegate::profile {
namespace {

std::string demangle(const std::string& mangled) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> text(
        abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), &std::free);
    return status == 0 && text != nullptr ? text.get() : mangled;
}

bool ends_with_operator(std::string_view text) {
    constexpr std::string_view kWord = "operator";
    return text.ends_with(kWord);
}

/// Without what stands in `<>` and `()`, but for the names of operators and `(anonymous namespace)`.
std::string without_arguments(std::string_view text) {
    constexpr std::string_view kAnonymous = "(anonymous namespace)";
    std::string out;
    int depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (depth == 0 && text.substr(i).starts_with(kAnonymous)) {
            out += kAnonymous;
            i += kAnonymous.size() - 1;
            continue;
        }
        if (depth == 0 && ends_with_operator(out) && !std::isalnum(static_cast<unsigned char>(c)) && c != '_') {
            // `operator()`, `operator<<`, `operator->`: the sign is a part of the name; ` ` begins a type or `new`.
            const std::size_t end =
                c == '(' ? i + 2 : text.find_first_not_of("<>=-!+*/%&|^~[],", i + (c == ' ' ? 1 : 0));
            const std::size_t next = std::min(end == std::string_view::npos ? text.size() : end, text.size());
            out += text.substr(i, std::max(next, i + 1) - i);
            i = std::max(next, i + 1) - 1;
            continue;
        }
        if (c == '<' || c == '(') {
            ++depth;
        } else if ((c == '>' && (i == 0 || text[i - 1] != '-')) || c == ')') {
            depth = std::max(0, depth - 1);
        } else if (depth == 0) {
            out += c;
        }
    }
    return out;
}

}  // namespace

std::string plain_name(std::string_view mangled) {
    if (!mangled.starts_with("_Z")) return std::string(mangled);
    const std::string full = demangle(std::string(mangled));
    std::string name = without_arguments(full);
    // ` [clone .cold]`, ` const`, ` &&`.
    for (const std::string_view tail : {" [clone", " const", " &", " [abi:"}) {
        if (const std::size_t at = name.find(tail); at != std::string::npos && at > 0) name.resize(at);
    }
    // What it returns stands before the last space, unless that space is an operator's own.
    const std::size_t word = name.find("operator ");
    const std::size_t space = name.rfind(' ', word == std::string::npos ? std::string::npos : word);
    const std::size_t anonymous = name.rfind("(anonymous namespace)");
    if (space == std::string::npos) return name;
    if (anonymous != std::string::npos && space == anonymous + std::string_view("(anonymous").size()) {
        const std::size_t before = anonymous == 0 ? std::string::npos : name.rfind(' ', anonymous);
        return before == std::string::npos ? name : name.substr(before + 1);
    }
    return name.substr(space + 1);
}

const Symbols::Place& Symbols::find(std::uintptr_t address) {
    const auto known = known_.find(address);
    return known != known_.end() ? known->second : known_.emplace(address, resolve(address)).first->second;
}

Symbols::Place Symbols::resolve(std::uintptr_t address) {
    const Mapping* mapping = find_mapping(maps_, address);
    if (mapping == nullptr) return {.mangled = {}, .name = fmt::format("[{:#x}]", address), .mapping = kNoMapping};
    Place place{.mangled = {}, .name = {}, .mapping = static_cast<std::size_t>(mapping - maps_.data())};
    const std::uint64_t offset = address - mapping->begin + mapping->offset;
    // Functions lie in what can be executed; a mapped model or database would be read whole for nothing.
    if (mapping->executable && mapping->file.starts_with('/')) {
        auto file = files_.find(mapping->file);
        if (file == files_.end()) file = files_.emplace(mapping->file, ElfSymbols::read(disk_, mapping->file)).first;
        place.mangled = file->second.at_offset(offset);
    }
    if (!place.mangled.empty()) {
        place.name = plain_name(place.mangled);
        return place;
    }
    const std::string& file = mapping->file;
    const std::string_view short_name = std::string_view(file).substr(file.rfind('/') + 1);
    place.name = fmt::format("[{}+{:#x}]", short_name.empty() ? "anonymous" : short_name, offset);
    return place;
}

std::string_view Symbols::build_id(std::size_t mapping) const {
    const auto file = files_.find(maps_[mapping].file);
    return file == files_.end() ? std::string_view() : std::string_view(file->second.build_id());
}

}  // namespace tidegate::profile
