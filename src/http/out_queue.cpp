#include "http/out_queue.h"

#include <utility>

#include "base/assert.h"

namespace tidegate::http {
namespace {

// A text piece is freed as a whole, so a full one is left alone: a queue that never runs empty (a long stream to a slow
// reader) would else keep all it ever sent. As much as a TLS record takes.
constexpr std::size_t kTextBytesMax = 16 * 1024;
// Sent pieces are taken off the list when they are this many and half of it: the move is paid for by the pieces it frees.
constexpr std::size_t kSentPiecesMax = 64;

}  // namespace

std::string SpareBuffers::take() {
    if (kept_.empty()) return {};
    std::string buffer = std::move(kept_.back());
    kept_.pop_back();
    return buffer;
}

void SpareBuffers::give(std::string buffer) {
    if (kept_.size() >= kKeptMax || buffer.capacity() > kCapacityMax) return;
    buffer.clear();
    kept_.push_back(std::move(buffer));
}

OutQueue::~OutQueue() {
    while (front_ < pieces_.size()) drop_front();
}

std::string& OutQueue::begin_text() {
    const bool grow = front_ < pieces_.size() && pieces_.back().open && pieces_.back().text.size() < kTextBytesMax;
    if (!grow) pieces_.push_back({spares_.take(), nullptr, true});
    text_mark_ = pieces_.back().text.size();
    return pieces_.back().text;
}

void OutQueue::end_text() {
    bytes_ += pieces_.back().text.size() - text_mark_;
}

void OutQueue::append(std::string body) {
    if (body.empty()) return;
    if (body.size() <= kCopyBytesMax) {
        begin_text().append(body);
        end_text();
        return;
    }
    bytes_ += body.size();
    pieces_.push_back({std::move(body), nullptr, false});
}

void OutQueue::append(std::shared_ptr<const std::string> body) {
    if (body->empty()) return;
    if (body->size() <= kCopyBytesMax) {
        begin_text().append(*body);
        end_text();
        return;
    }
    bytes_ += body->size();
    pieces_.push_back({{}, std::move(body), false});
}

std::size_t OutQueue::gather(std::span<iovec> out) const {
    std::size_t count = 0;
    std::size_t offset = front_offset_;
    for (std::size_t i = front_; i < pieces_.size() && count < out.size(); ++i) {
        const Piece& piece = pieces_[i];
        if (piece.size() > offset) {
            // writev does not change what it is given.
            out[count].iov_base = const_cast<char*>(piece.data()) + offset;
            out[count].iov_len = piece.size() - offset;
            ++count;
        }
        offset = 0;
    }
    return count;
}

std::size_t OutQueue::held_bytes() const noexcept {
    std::size_t bytes = pieces_.size() * sizeof(Piece);
    for (const Piece& piece : pieces_) bytes += piece.size();
    return bytes;
}

void OutQueue::drop_front() {
    Piece& piece = pieces_[front_];
    if (!piece.shared) spares_.give(std::move(piece.text));
    piece = Piece{};
    ++front_;
    front_offset_ = 0;
}

void OutQueue::consume(std::size_t bytes) {
    TG_ASSERT(bytes <= bytes_);
    bytes_ -= bytes;
    sent_ += bytes;
    front_offset_ += bytes;
    while (front_ < pieces_.size() && front_offset_ >= pieces_[front_].size()) {
        const std::size_t rest = front_offset_ - pieces_[front_].size();
        drop_front();
        front_offset_ = rest;
    }
    if (front_ == pieces_.size()) {
        pieces_.clear();
        front_ = 0;
    } else if (front_ >= kSentPiecesMax && front_ * 2 >= pieces_.size()) {
        pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(front_));
        front_ = 0;
    }
}

}  // namespace tidegate::http
