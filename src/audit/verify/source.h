// Where a verifier's bytes come from, and a window that moves over them.
//
// Memory      A window holds 4 MiB, or one batch where that is larger (16 MiB and a little).
// Threads     A Source may be read by any thread; a Window belongs to one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "audit/verify/digest.h"
#include "base/result.h"

namespace tidegate::audit::verify {

class Source {
  public:
    virtual ~Source() = default;
    virtual std::uint64_t size() const = 0;
    /// How many there were: fewer than asked for only at the end.
    virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) const = 0;
};

class FileSource final : public Source {
  public:
    /// kNotFound, kUnavailable.
    static Result<std::unique_ptr<FileSource>> open(const std::string& path);
    ~FileSource() override;
    FileSource(const FileSource&) = delete;
    FileSource& operator=(const FileSource&) = delete;
    std::uint64_t size() const override { return size_; }
    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) const override;

  private:
    FileSource(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
    const int fd_;
    const std::uint64_t size_;
};

class MemorySource final : public Source {
  public:
    /// `bytes` outlive it.
    explicit MemorySource(Bytes bytes) : bytes_(bytes) {}
    std::uint64_t size() const override { return bytes_.size(); }
    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) const override;

  private:
    const Bytes bytes_;
};

class Window {
  public:
    /// `source` outlives it.
    explicit Window(const Source& source) : source_(source) {}
    /// Bytes [offset, offset + size), or those of them that there are; valid until the next call.
    Result<Bytes> view(std::uint64_t offset, std::size_t size);

    /// The next view reads anew: the source may have changed.
    void forget() noexcept { filled_ = 0; }

  private:
    const Source& source_;
    std::vector<std::uint8_t> buffer_;
    std::uint64_t begin_ = 0;  // Of the buffer's bytes in the source.
    std::size_t filled_ = 0;
};

}  // namespace tidegate::audit::verify
