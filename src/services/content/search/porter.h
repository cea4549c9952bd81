// The stem of an English word, so that `citing` finds `cited`.
//
// Algorithm   M. F. Porter, "An algorithm for suffix stripping" (Program 14 no. 3, 1980), as SQLite's `porter` tokenizer has it: what
//             is counted here and what FTS5 finds are the same stems.
#pragma once

#include <string>

namespace tidegate::content {

/// In place. Words of other than a-z, or of fewer than 3 letters or more than 64, stay as they are.
void porter_stem(std::string& word);

}  // namespace tidegate::content
