// Tree: the text files of a checkout, held in memory, so that a check is a plain function and its test a
// made-up tree.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidegate::tidy {

struct SourceFile {
    std::string text;
    /// C++ only: `text` with comments blanked and literals emptied; the same length, the same lines.
    std::string code;
};

/// Path from the root, with `/`, to file.
using Tree = std::map<std::string, SourceFile>;

/// A tree of the given files, for tests.
Tree make_tree(const std::map<std::string, std::string>& files);
/// Every text file under `root` that belongs to the project; build folders, data and binaries are left out.
Result<Tree> read_tree(const std::filesystem::path& root);

bool is_cpp(std::string_view path);
/// 1 for the first line.
int line_of(std::string_view text, std::size_t position);
/// Without line ends.
std::vector<std::string_view> lines_of(std::string_view text);

}  // namespace tidegate::tidy
