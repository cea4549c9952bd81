// Rows of the report as words, for the page and for Markdown: the same cells in both.
#pragma once

#include <string>
#include <vector>

#include "performance/report.h"

namespace tidegate::performance {

struct WordTable {
    std::string title;
    std::string note;  // The method, or why the table is empty.
    std::vector<std::string> head;
    std::vector<std::vector<std::string>> rows;
};

/// `12.3 ms`, `1,234`, `5.1 MiB`; `-` for what is not known.
std::string in_words(double value, std::string_view unit);
std::string summary_line(const Report& report);
std::vector<WordTable> tables_of(const Report& report);

}  // namespace tidegate::performance
