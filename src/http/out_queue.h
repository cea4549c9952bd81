// OutQueue: the bytes a connection still has to send, in order, ready for one gathered write.
//
// Memory      Text buffers come from the loop's SpareBuffers and go back when sent: a connection at rest
// holds none.
//             Small bodies are copied behind their head (a copy of 4 KB costs less than one more iovec and
//             its upkeep); larger ones are moved or shared, never copied.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tidegate::http {

/// A loop's few strings with capacity, lent to whoever writes.
class SpareBuffers {
  public:
    std::string take();
    /// Keeps the capacity of a few; a large one is freed.
    void give(std::string buffer);

  private:
    static constexpr std::size_t kKeptMax = 32;
    static constexpr std::size_t kCapacityMax = 64 * 1024;
    std::vector<std::string> kept_;
};

class OutQueue {
  public:
    static constexpr std::size_t kCopyBytesMax = 4096;

    explicit OutQueue(SpareBuffers& spares) : spares_(spares) {}
    ~OutQueue();
    OutQueue(const OutQueue&) = delete;
    OutQueue& operator=(const OutQueue&) = delete;

    /// The string to append a head to; end_text() must follow at once.
    std::string& begin_text();
    void end_text();
    void append(std::string body);
    void append(std::shared_ptr<const std::string> body);

    bool empty() const noexcept { return bytes_ == 0; }
    std::size_t bytes() const noexcept { return bytes_; }
    /// Bytes ever queued; with sent() it tells when a given answer is out.
    std::uint64_t queued() const noexcept { return sent_ + bytes_; }
    std::uint64_t sent() const noexcept { return sent_; }
    /// Memory of all pieces, with what of them is sent already: what the bound is tested by. Walks the queue.
    std::size_t held_bytes() const noexcept;
    /// Fills `out` from the front; returns how many entries.
    std::size_t gather(std::span<iovec> out) const;
    void consume(std::size_t bytes);

  private:
    struct Piece {
        std::string text;
        std::shared_ptr<const std::string> shared;
        bool open = false;  // Text that may still grow.
        std::size_t size() const noexcept { return shared ? shared->size() : text.size(); }
        const char* data() const noexcept { return shared ? shared->data() : text.data(); }
    };
    void drop_front();

    SpareBuffers& spares_;
    std::vector<Piece> pieces_;
    std::size_t front_ = 0;         // The first piece not wholly sent.
    std::size_t front_offset_ = 0;  // Bytes of it that are sent.
    std::size_t text_mark_ = 0;
    std::size_t bytes_ = 0;
    std::uint64_t sent_ = 0;
};

}  // namespace tidegate::http
