#include <array>

#include "base/strings.h"
#include "tidy/checks.h"
#include "tidy/lexer.h"

namespace tidegate::tidy {
namespace {

constexpr std::size_t kFileLinesMax = 500;
constexpr int kFunctionLinesMax = 80;

std::string_view skip_template(std::string_view head) {
    while (head.starts_with("template")) {
        std::size_t at = head.find('<');
        if (at == std::string_view::npos) return head;
        for (int depth = 0; at < head.size(); ++at) {
            if (head[at] == '<') ++depth;
            if (head[at] == '>' && --depth == 0) break;
        }
        head = trim(head.substr(std::min(at + 1, head.size())));
    }
    return head;
}

// What stands before a brace of a namespace or of a type.
bool opens_scope(std::string_view head) {
    head = skip_template(trim(head));
    for (const std::string_view prefix : {"inline ", "export ", "typedef ", "static ", "constexpr "}) {
        if (head.starts_with(prefix)) head = trim(head.substr(prefix.size()));
    }
    // A macro without a semicolon may stand before a namespace; no function's head holds the word.
    if (head.starts_with("extern \"") || find_word(head, "namespace") != std::string_view::npos) return true;
    for (const std::string_view keyword : {"class", "struct", "union", "enum"}) {
        if (find_word(head, keyword) == 0) return true;
    }
    return false;
}

// A function; not a table in braces.
bool opens_function(std::string_view head) {
    return head.find(')') != std::string_view::npos;
}

// `A::A() : a_{` or `, b_{`: a member of a constructor's list, after which the body comes.
bool opens_initialiser(std::string_view head) {
    head = trim(head);
    const bool is_first = head.find(") :") != std::string_view::npos && !head.ends_with(')');
    return is_first || (head.starts_with(',') && head.find(')') == std::string_view::npos);
}

/// Brace counting: outside of functions a brace opens a namespace, a type, a table or a function; inside,
/// nothing counts.
class FunctionMeter {
  public:
    FunctionMeter(const std::string& path, std::string_view code, Findings& findings)
        : path_(path), code_(code), findings_(findings) {}

    void run() {
        for (std::size_t at = 0; at < code_.size(); ++at) {
            const char c = code_[at];
            if (c == '\n') ++line_;
            if (c == '#' && at_line_start(at)) skip_directive(at);
            if (c == '{') open(at);
            if (c == '}') close(at);
            if (c == ';' && body_depth_ == 0) head_from_ = at + 1;
        }
    }

  private:
    bool at_line_start(std::size_t at) const { return at == 0 || code_[at - 1] == '\n'; }
    // A macro's braces need not balance.
    void skip_directive(std::size_t& at) {
        while (at < code_.size() && (code_[at] != '\n' || code_[at - 1] == '\\')) {
            if (code_[at] == '\n') ++line_;
            ++at;
        }
        if (at < code_.size()) ++line_;
        if (body_depth_ == 0) head_from_ = at;
    }
    void open(std::size_t at) {
        if (body_depth_ > 0) {
            ++body_depth_;
            return;
        }
        const std::string_view head = code_.substr(head_from_, at - head_from_);
        head_from_ = at + 1;
        if (opens_scope(head)) return;
        body_depth_ = 1;
        body_line_ = line_;
        is_function_ = opens_function(head) || (was_initialiser_ && trim(head).empty());
        was_initialiser_ = opens_initialiser(head);
    }
    void close(std::size_t at) {
        if (body_depth_ == 0 || --body_depth_ == 0) head_from_ = at + 1;
        if (body_depth_ > 0 || body_line_ == 0) return;
        const int lines = line_ - body_line_ + 1;
        if (is_function_ && lines > kFunctionLinesMax) {
            findings_.push_back(
                {path_, body_line_,
                 "a function of " + std::to_string(lines) + " lines; at most " + std::to_string(kFunctionLinesMax)});
        }
        body_line_ = 0;
    }

    const std::string& path_;
    std::string_view code_;
    Findings& findings_;
    std::size_t head_from_ = 0;
    int line_ = 1;
    int body_line_ = 0;  // 0 outside of a body.
    int body_depth_ = 0;
    bool is_function_ = false;
    bool was_initialiser_ = false;
};

}  // namespace

Findings check_file_size(const Tree& tree) {
    Findings findings;
    for (const auto& [path, file] : tree) {
        if (!is_cpp(path)) continue;
        const std::size_t lines = lines_of(file.text).size();
        if (lines <= kFileLinesMax) continue;
        findings.push_back({path, static_cast<int>(lines),
                            std::to_string(lines) + " lines; at most " + std::to_string(kFileLinesMax)});
    }
    return findings;
}

Findings check_function_size(const Tree& tree) {
    Findings findings;
    for (const auto& [path, file] : tree) {
        if (is_cpp(path)) FunctionMeter(path, file.code, findings).run();
    }
    return findings;
}

Findings check_header_opening(const Tree& tree) {
    Findings findings;
    for (const auto& [path, file] : tree) {
        if (!path.ends_with(".h")) continue;
        if (!file.text.starts_with("// "))
            findings.push_back({path, 1, "a header opens with one sentence that says what it is"});
        if (file.code.find("#pragma once") == std::string::npos)
            findings.push_back({path, 1, "#pragma once is missing"});
    }
    return findings;
}

}  // namespace tidegate::tidy
