// The report as Markdown.
#include <fmt/format.h>

#include "performance/report_words.h"

namespace tidegate::performance {
namespace {

/// A cell must not end its row, nor its column.
std::string cell(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '|') out += '\\';
        out += c == '\n' || c == '\r' ? ' ' : c;
    }
    return out;
}

void append_row(std::string& out, const std::vector<std::string>& cells) {
    out += '|';
    for (const std::string& one : cells) out += ' ' + cell(one) + " |";
    out += '\n';
}

}  // namespace

std::string to_markdown(const Report& report) {
    std::string out =
        fmt::format("# Performance, {} to {}\n\n", format_rfc3339(report.now.from), format_rfc3339(report.now.to));
    out += summary_line(report) + "\n\nTidegate " + report.version + ", made " + format_rfc3339(report.made) + ".\n";
    for (const WordTable& table : tables_of(report)) {
        out += "\n## " + table.title + "\n\n";
        if (!table.note.empty()) out += table.note + "\n\n";
        if (table.rows.empty()) continue;
        append_row(out, table.head);
        append_row(out, std::vector<std::string>(table.head.size(), "---"));
        for (const auto& row : table.rows) append_row(out, row);
    }
    return out;
}

}  // namespace tidegate::performance
