#include "tidy/tree.h"

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/strings.h"
#include "tidy/lexer.h"

namespace tidegate::tidy {
namespace {

namespace fs = std::filesystem;

// Larger text is data.
constexpr std::uint64_t kTextBytesMax = 2U << 20U;
constexpr std::array<std::string_view, 14> kTextEndings{".cpp", ".h",    ".txt",  ".cmake", ".md",  ".sh",  ".json",
                                                        ".yml", ".yaml", ".html", ".css",   ".mjs", ".sql", ".ts"};
constexpr std::array<std::string_view, 6> kTextNames{"dev",           "run",        ".clang-tidy",
                                                     ".clang-format", ".gitignore", "LICENSE"};

bool is_text(const fs::path& path) {
    const std::string name = path.filename().string();
    return std::ranges::find(kTextNames, name) != kTextNames.end() ||
           std::ranges::any_of(kTextEndings, [&](std::string_view ending) { return name.ends_with(ending); });
}

bool is_left_out(const fs::path& path, const fs::path& root) {
    const std::string name = path.filename().string();
    const bool at_root = path.parent_path() == root;
    if (name == ".git" || name == "node_modules" || name == "seeds" || name == "__pycache__") return true;
    return at_root &&
           (name == "build" || name.starts_with("build-") || name == "data" || name == ".cache" || name == ".venv");
}

}  // namespace

bool is_cpp(std::string_view path) {
    return path.ends_with(".cpp") || path.ends_with(".h");
}

int line_of(std::string_view text, std::size_t position) {
    return 1 + static_cast<int>(std::ranges::count(text.substr(0, position), '\n'));
}

std::vector<std::string_view> lines_of(std::string_view text) {
    auto lines = split(text, '\n');
    if (!lines.empty() && lines.back().empty()) lines.pop_back();
    return lines;
}

Tree make_tree(const std::map<std::string, std::string>& files) {
    Tree tree;
    for (const auto& [path, text] : files) tree[path] = {.text = text, .code = is_cpp(path) ? code_only(text) : ""};
    return tree;
}

Result<Tree> read_tree(const fs::path& root) {
    const SystemDisk disk;
    Tree tree;
    std::error_code error;
    fs::recursive_directory_iterator walk(root, error);
    for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
        const fs::path& path = walk->path();
        if (walk->is_symlink()) continue;
        if (walk->is_directory()) {
            if (is_left_out(path, root)) walk.disable_recursion_pending();
            continue;
        }
        if (!is_text(path) || fs::file_size(path, error) > kTextBytesMax) continue;
        TG_TRY(std::string text, disk.read(path.string(), kTextBytesMax));
        const std::string relative = path.lexically_relative(root).generic_string();
        std::string code = is_cpp(relative) ? code_only(text) : std::string();
        tree[relative] = {.text = std::move(text), .code = std::move(code)};
    }
    if (error) return fail(ErrorCode::kUnavailable, "cannot read the tree: " + error.message());
    return tree;
}

}  // namespace tidegate::tidy
