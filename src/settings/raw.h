// Raw: a setting as a source gives it, before its name and value are judged.
//
// Position    Between the readers of the sources (yaml.cpp, environment.cpp) and load.cpp.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/file.h"
#include "settings/load.h"
#include "settings/table.h"

namespace tidegate::settings {

struct Raw {
    std::string name;  // As written: decides the unit of a plain number.
    std::string value;
    std::vector<std::string> items;  // A YAML sequence.
    bool is_list = false;
    std::string source;  // For messages and `config show`.
    const Entry* entry = nullptr;
};

/// A list of groups as the file gives it; the elements are made and bound already.
struct RawList {
    const List* list = nullptr;
    std::string source;
    std::vector<Table> elements;
    std::vector<std::string> element_sources;  // Where each begins.
};

/// What a source holds and what is wrong with it, a line each.
struct Reading {
    std::vector<Raw> found;
    std::deque<RawList> lists;  // A list before those of its elements. A deque: `found` points into the elements.
    std::vector<std::string> faults;
};

/// Nested maps are joined with dots. Empties and fills the targets of the lists; their settings come as Raws.
Reading read_yaml(const Table& table, const std::string& path, const std::string& text);
/// TIDEGATE_* and the aliases of the table; every other variable is none of our business.
Reading read_environment(const Table& table, const std::vector<NameValue>& environment);
Reading read_flags(const Table& table, const std::vector<NameValue>& flags);

/// "routes is a list of groups and comes from the file only"
std::string list_message(const List& list);
/// "server.prot is not a setting; did you mean server.port?"
std::string unknown_message(const Table& table, std::string_view name);

}  // namespace tidegate::settings
