#include "pipeline/export.h"

namespace tidegate::pipeline {

void append_csv_cell(std::string& out, std::string_view cell) {
    const bool formula = !cell.empty() && std::string_view("=+-@\t\r").find(cell.front()) != std::string_view::npos;
    out.push_back('"');
    if (formula) out.push_back('\'');
    for (const char c : cell) {
        if (c == '"') out.push_back('"');
        out.push_back(c);
    }
    out.push_back('"');
}

bool ExportBody::flush() {
    // A client that takes nothing for this long is gone for us; the thread goes back to the pool.
    constexpr Duration kStallMax = std::chrono::seconds(20);
    if (!started()) stream_ = context_->start_stream(std::move(head_));
    const bool taken = stream_->write_wait(buffer_, kStallMax) == http::Stream::Outcome::kAccepted;
    buffer_.clear();
    return taken;
}

}  // namespace tidegate::pipeline
