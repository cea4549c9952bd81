// The report as one page that can be printed: tables, and charts drawn as SVG in the page. It fetches and runs nothing.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/html.h"
#include "performance/report_words.h"

namespace tidegate::performance {
namespace {

constexpr std::string_view kStyle =
    "body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 "
    "1rem;color:#1b1f24;background:#fff}"
    "h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}p{max-width:52rem}table{border-collapse:collapse;width:"
    "100%;"
    "font-variant-numeric:tabular-nums;font-size:.85rem}th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px "
    "solid "
    "#d5dae0;vertical-align:top;overflow-wrap:anywhere}svg{width:100%;height:auto;display:block}figure{margin:1rem 0;"
    "break-inside:avoid}figcaption{font-size:.85rem;color:#4a535d}.a{stroke:#0b62a4}.b{stroke:#b5540b}.c{stroke:#"
    "7a1f8a}"
    "path{fill:none;stroke-width:1.6}text{font-size:11px;fill:#4a535d}line{stroke:#d5dae0}tr{break-inside:avoid}"
    "@media print{body{margin:0;max-width:none}}";

struct Chart {
    std::string_view title;
    std::string_view unit;
    std::vector<std::string_view> measures;
};

// In units of the picture.
constexpr double kWidth = 900;
constexpr double kHeight = 190;
constexpr double kLeft = 70;
constexpr double kBottom = 22;
constexpr double kTop = 8;

/// One line; a block without the number breaks it.
std::string path_of(const Period& period, const Measure& measure, double top) {
    std::string out;
    bool drawn = false;
    std::int64_t before = 0;
    for (const Sample& block : period.blocks) {
        const double value = measure.of(block);
        if (std::isnan(value)) {
            drawn = false;
            continue;
        }
        // A gap in time is a gap in the line.
        if (drawn && block.from - before > period.block_ms) drawn = false;
        before = block.to;
        const double share = static_cast<double>(block.to - period.from) / static_cast<double>(period.to - period.from);
        const double x = kLeft + std::clamp(share, 0.0, 1.0) * (kWidth - kLeft);
        const double y = kTop + (1 - value / top) * (kHeight - kBottom - kTop);
        // A lone point gets a length that can be seen.
        out += drawn ? fmt::format("L{:.1f} {:.1f}", x, y) : fmt::format("M{:.1f} {:.1f}h1", x, y);
        drawn = true;
    }
    return out;
}

void append_chart(std::string& out, const Report& report, const Chart& chart) {
    constexpr std::array<std::string_view, 3> kClasses{"a", "b", "c"};
    double top = 0;
    for (const std::string_view name : chart.measures) {
        for (const Sample& block : report.now.blocks) {
            const double value = find_measure(name)->of(block);
            if (!std::isnan(value)) top = std::max(top, value);
        }
    }
    std::string legend;
    for (std::size_t i = 0; i < chart.measures.size(); ++i) {
        constexpr std::array<std::string_view, 3> kColours{"blue", "orange", "purple"};
        if (chart.measures.size() > 1) legend += fmt::format(" {}: {};", kColours[i], chart.measures[i]);
    }
    out += fmt::format("<figure><figcaption>{}{}</figcaption>", escape_html(chart.title), escape_html(legend));
    if (top <= 0) {
        out += "<p>No data above zero in this period.</p></figure>";
        return;
    }
    out += fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">", kWidth, kHeight,
                       escape_html(chart.title));
    for (const double share : {0.0, 0.5, 1.0}) {
        const double y = kTop + (1 - share) * (kHeight - kBottom - kTop);
        out += fmt::format("<line x1=\"{0:.0f}\" x2=\"{1:.0f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>", kLeft, kWidth, y);
        out += fmt::format("<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", kLeft - 6, y + 4,
                           escape_html(in_words(top * share, chart.unit)));
    }
    for (std::size_t i = 0; i < chart.measures.size(); ++i) {
        out += fmt::format("<path class=\"{}\" d=\"{}\"/>", kClasses[i],
                           path_of(report.now, *find_measure(chart.measures[i]), top));
    }
    out +=
        fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\">{}</text>", kLeft, kHeight - 6, format_rfc3339(report.now.from));
    out += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"end\">{}</text></svg></figure>", kWidth,
                       kHeight - 6, format_rfc3339(report.now.to));
}

void append_table(std::string& out, const WordTable& table) {
    out += "<h2>" + escape_html(table.title) + "</h2>";
    if (!table.note.empty()) out += "<p>" + escape_html(table.note) + "</p>";
    if (table.rows.empty()) return;
    out += "<table><thead><tr>";
    for (const std::string& cell : table.head) out += "<th scope=\"col\">" + escape_html(cell) + "</th>";
    out += "</tr></thead><tbody>";
    for (const auto& row : table.rows) {
        out += "<tr>";
        for (const std::string& cell : row) out += "<td>" + escape_html(cell) + "</td>";
        out += "</tr>";
    }
    out += "</tbody></table>";
}

}  // namespace

std::string to_html(const Report& report) {
    const std::array<Chart, 6> charts{{
        {"Requests a second", "", {"requests_per_second"}},
        {"Latency, ms", "", {"latency_p50_ms", "latency_p95_ms", "latency_p99_ms"}},
        {"Answers 5xx, %", "", {"error_percent"}},
        {"CPU of all cores, %", "", {"cpu_percent"}},
        {"Memory", "bytes", {"resident_bytes", "heap_used_bytes"}},
        {"Event loop lag, the worst of each block, ms", "", {"loop_lag_ms"}},
    }};
    std::string out =
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>Performance report</title><style>";
    out += kStyle;
    out += "</style></head><body><h1>Performance, " + format_rfc3339(report.now.from) + " to " +
           format_rfc3339(report.now.to) + "</h1><p>" + escape_html(summary_line(report)) + "</p><p>Tidegate " +
           escape_html(report.version) + ", made " + format_rfc3339(report.made) + ".</p>";
    for (const Chart& chart : charts) append_chart(out, report, chart);
    for (const WordTable& table : tables_of(report)) append_table(out, table);
    out += "</body></html>\n";
    return out;
}

}  // namespace tidegate::performance
