// BodySink: where the bytes of a request body go: a buffer, the application itself (connection_body.cpp), nowhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tidegate::http {

class BodySink {
  public:
    virtual ~BodySink() = default;
    /// False when the body is longer than allowed, or is not wanted now; nothing was taken then.
    virtual bool append(std::string_view bytes) = 0;
};

/// Grows with what has come, never with what was announced.
class BufferSink final : public BodySink {
  public:
    BufferSink(std::string& out, std::uint64_t bytes_max) : out_(out), bytes_max_(bytes_max) {}
    bool append(std::string_view bytes) override {
        if (bytes.size() > bytes_max_ - out_.size()) return false;
        out_.append(bytes);
        return true;
    }

  private:
    std::string& out_;
    std::uint64_t bytes_max_;
};

/// Counts and drops: for the rest of a body that nobody wants.
class DiscardSink final : public BodySink {
  public:
    explicit DiscardSink(std::uint64_t bytes_max) : left_(bytes_max) {}
    bool append(std::string_view bytes) override {
        if (bytes.size() > left_) return false;
        left_ -= bytes.size();
        return true;
    }
    std::uint64_t left() const noexcept { return left_; }

  private:
    std::uint64_t left_;
};

}  // namespace tidegate::http
