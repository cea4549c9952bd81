// Pattern: what a Replace or a Split of a tokenizer looks for, a plain string or a regular expression (ICU).
//
// Guarantee   Matches stand in order and do not overlap. `^` and `$` hold at every line, as in the library the files are written for.
// Threads     find() may run on many threads: each call matches with a copy of its own.
// When it fails  An expression from a file may be made to run for ever: kResourceExhausted after kStepsMax steps or kStackBytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/text/aligned_text.h"

namespace tidegate::model {

class Pattern {
  public:
    // ICU counts in ten thousands of the matcher's steps, for each match: some 20 ms.
    static constexpr int kStepsMax = 200;
    static constexpr int kStackBytes = 4 << 20;
    static constexpr std::size_t kSourceMax = 4'096;

    /// From `{"String": s}` or `{"Regex": r}`.
    static Result<Pattern> parse(json::Value value, const std::string& where);
    static Pattern literal(std::string text);

    /// Appends the matches in `text` (valid UTF-8) to `out`, empty ones of expressions too.
    Result<void> find(std::string_view text, std::vector<Range>& out) const;
    /// The string, where it is one; else the expression.
    const std::string& source() const noexcept { return source_; }
    bool is_regex() const noexcept { return compiled_ != nullptr; }

  private:
    struct Compiled;
    std::string source_;
    std::shared_ptr<const Compiled> compiled_;
};

}  // namespace tidegate::model
