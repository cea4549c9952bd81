// Export: a long list as the body of an answer, in pieces, with the client setting the pace.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/context.h"

namespace tidegate::pipeline {

/// RFC 4180, and a leading apostrophe where a spreadsheet would take the cell for a formula.
void append_csv_cell(std::string& out, std::string_view cell);

/// A number as the text of a cell: empty where there is none, which is not 0.
template <class T>
std::string csv_number(const std::optional<T>& number) {
    return number ? fmt::format("{}", *number) : std::string();
}

/// The body of an export, begun with its first full buffer: a record that cannot be read at all is answered 503, not
/// with a 200 that is cut. On a thread for waiting.
class ExportBody {
  public:
    /// A buffer of so many bytes is worth a write.
    static constexpr std::size_t kFlushFrom = 32 * 1024;

    /// `context` outlives it.
    ExportBody(const ContextPtr& context, http::Response head, std::string_view opening)
        : context_(context), head_(std::move(head)), buffer_(opening) {}

    std::string& buffer() noexcept { return buffer_; }
    bool started() const noexcept { return stream_ != nullptr; }
    /// Writes what there is once it is worth it; false: the client has left, or takes nothing.
    bool offer() { return buffer_.size() < kFlushFrom || flush(); }
    bool flush();
    void finish() { stream_->finish(); }

  private:
    const ContextPtr& context_;
    http::Response head_;
    std::string buffer_;
    std::shared_ptr<http::Stream> stream_;
};

}  // namespace tidegate::pipeline
