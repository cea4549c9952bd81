#include "services/compliance/ingest/batch_stream.h"

#include <algorithm>
#include <utility>

#include "pipeline/problem.h"

namespace tidegate::compliance::ingest {
namespace {

// Well under what a stream may hold (limits.stream_buffer_bytes_max).
constexpr std::size_t kSendBytes = 32 * 1024;

Faults too_long() {
    return {{"", "The line is longer than ingest.line_bytes_max.", "too_long"}};
}

bool is_blank(std::string_view line) {
    return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

BatchStream::BatchStream(const BatchParts& parts, BatchOptions options, pipeline::ContextPtr context,
                         std::shared_ptr<void> place)
    : parts_(parts),
      options_(options),
      context_(std::move(context)),
      caller_(context_->caller()),
      place_(std::move(place)),
      mailbox_(context_->exchange()->loop().mailbox()),
      report_(options.each_line) {}

void BatchStream::start() {
    const auto pipe = context_->body_pipe();
    if (pipe != nullptr) {
        // Before the answer begins: one that comes before the body is asked for gives the body up.
        self_ = shared_from_this();
        pipe->attach(context_->exchange(), *this);
        if (over_) return;
    }
    if (options_.each_line) {
        http::Response head;
        head.headers.add("Content-Type", "application/x-ndjson");
        out_ = context_->start_stream(std::move(head));
    }
    begun_ = true;
    if (pipe == nullptr) ended_ = true;  // No body: no lines.
    go_on();
}

bool BatchStream::on_body(std::string_view bytes) {
    if (stopped_ || over_) return true;
    gather(bytes);
    cut_pieces();
    paused_ = has_enough();
    return !paused_;
}

/// A piece waits for one that is being taken. (What is no whole piece yet waits for the sender.)
bool BatchStream::has_enough() const {
    return gathered_.size() >= kPieceBytes && (pieces_.size() >= kDepth || !unsent_.empty());
}

void BatchStream::gather(std::string_view bytes) {
    if (skipping_) {
        const std::size_t end = bytes.find('\n');
        if (end == std::string_view::npos) return;
        bytes.remove_prefix(end + 1);
        skipping_ = false;
    }
    gathered_.append(bytes);
}

void BatchStream::on_body_end() {
    // From here on what is being taken holds on to this by itself.
    const auto held = std::exchange(self_, nullptr);
    ended_ = true;
    cut_pieces();
    go_on();
}

void BatchStream::on_body_failed(int status, std::string_view detail) {
    stopped_ = true;
    gathered_.clear();
    constexpr int kClientGone = 499;
    const auto context = std::exchange(context_, nullptr);
    const bool answered = std::exchange(over_, true);
    if (!answered && status != kClientGone) {
        const Error error{pipeline::code_of_status(status), std::string(detail)};
        if (out_ != nullptr) {
            context->fail_stream(error);
        } else {
            context->fail(error);
        }
    }
    // Dropped without finish(): what the sender has of the answer does not look whole.
    out_.reset();
    const auto last = std::move(self_);
}

/// Hands out what is worth it: a full piece, or what there is where nothing else is being taken.
void BatchStream::cut_pieces() {
    while (!stopped_ && pieces_.size() < kDepth && unsent_.empty()) {
        const bool worth = pieces_.empty() || ended_ || gathered_.size() >= kPieceBytes;
        if (!worth || !cut_piece()) return;
    }
}

bool BatchStream::cut_piece() {
    auto piece = std::make_shared<Piece>();
    piece->first_line = next_line_;
    std::size_t end = 0;
    while (piece->lines < kPieceLines && end < kPieceBytes) {
        const std::size_t newline = gathered_.find('\n', end);
        if (newline == std::string::npos) break;
        end = newline + 1;
        ++piece->lines;
    }
    if (end == 0 && ended_ && !gathered_.empty()) {
        end = gathered_.size();
        piece->lines = 1;
    }
    if (end > 0) {
        piece->text = gathered_.substr(0, end);
        gathered_.erase(0, end);
    } else if (gathered_.size() > parts_.line_bytes_max) {
        piece->lines = 1;
        piece->overlong = true;
        skipping_ = true;
        gathered_ = {};
    } else {
        return false;
    }
    next_line_ += piece->lines;
    hand_out(std::move(piece));
    return true;
}

void BatchStream::hand_out(PiecePtr piece) {
    pieces_.push_back(piece);
    // Room is certain: the queue has a place for each piece of each stream. Refused, the server is ending.
    if (!parts_.workers.submit([self = shared_from_this(), piece] { self->read_piece(piece); })) stopped_ = true;
}

// On a worker.
void BatchStream::read_piece(const PiecePtr& piece) {
    const Rules rules{.tenant = caller_ == nullptr ? std::string_view() : std::string_view(caller_->tenant),
                      .now = parts_.clock.unix_ms(),
                      .privacy = parts_.privacy};
    std::vector<Incoming> incoming;
    if (piece->overlong) piece->looked_at.push_back({piece->first_line, too_long()});
    std::string_view rest = piece->text;
    for (std::uint64_t number = piece->first_line; !rest.empty(); ++number) {
        const std::size_t newline = std::min(rest.find('\n'), rest.size());
        const std::string_view line = rest.substr(0, newline);
        rest.remove_prefix(std::min(newline + 1, rest.size()));
        if (is_blank(line)) continue;
        auto made = line.size() > parts_.line_bytes_max ? std::unexpected(too_long()) : read_decision(line, rules);
        const bool sound = made.has_value();
        if (sound) {
            incoming.push_back(*std::move(made));
            piece->looked_at.push_back({number, std::nullopt});
        } else {
            piece->looked_at.push_back({number, std::move(made).error()});
            if (options_.stop_on_error) break;
        }
    }
    piece->text = {};
    auto done = [self = shared_from_this(), piece](std::vector<Outcome> outcomes) {
        piece->outcomes = std::move(outcomes);
        self->mailbox_->post([self, piece] { self->piece_done(piece); });
    };
    if (incoming.empty()) return done({});
    parts_.intake.take(std::move(incoming), std::move(done));
}

void BatchStream::piece_done(const PiecePtr& piece) {
    piece->done = true;
    go_on();
}

/// After anything has happened: outcomes out, pieces in, the client read again, the end.
void BatchStream::go_on() {
    if (over_ || !begun_) return;
    report();
    cut_pieces();
    if (paused_ && !stopped_ && !has_enough()) {
        paused_ = false;
        if (const auto pipe = context_->body_pipe()) pipe->resume();
        if (over_) return;
    }
    const bool nothing_left = stopped_ || (ended_ && gathered_.empty());
    if (nothing_left && pieces_.empty() && unsent_.empty()) end();
}

void BatchStream::report() {
    while (unsent_.empty() && !pieces_.empty() && pieces_.front()->done) {
        const PiecePtr piece = pieces_.front();
        pieces_.pop_front();
        report_piece(*piece);
        if (out_ == nullptr) continue;
        unsent_ = report_.take();
        send();
    }
}

void BatchStream::report_piece(const Piece& piece) {
    std::size_t at = 0;
    for (const Line& line : piece.looked_at) {
        if (line.faults) {
            report_.add_invalid(line.number, *line.faults);
        } else {
            const Outcome& outcome = piece.outcomes[at++];
            report_.add(line.number, outcome);
            // A log that takes nothing will not take the next line either.
            if (outcome.error && outcome.error->code == ErrorCode::kUnavailable) stopped_ = true;
        }
    }
    if (options_.stop_on_error && !report_.all_recorded()) stopped_ = true;
}

void BatchStream::send() {
    while (sent_ < unsent_.size()) {
        switch (out_->write(std::string_view(unsent_).substr(sent_, kSendBytes))) {
            case http::Stream::Outcome::kAccepted:
                sent_ += std::min(kSendBytes, unsent_.size() - sent_);
                continue;
            case http::Stream::Outcome::kFull:
                if (std::exchange(waits_, true)) return;
                out_->on_room([self = shared_from_this()] {
                    self->waits_ = false;
                    if (self->over_) return;
                    self->send();
                    self->go_on();
                });
                return;
            case http::Stream::Outcome::kGone:
                // Nobody reads: what is being taken goes on, the rest is not asked for.
                stopped_ = true;
                break;
        }
        break;
    }
    unsent_.clear();
    sent_ = 0;
}

void BatchStream::end() {
    const bool whole = ended_ && gathered_.empty() && !stopped_;
    if (!std::exchange(summed_up_, true)) {
        unsent_ = report_.end(next_line_ - 1, !whole);
        if (out_ == nullptr) {
            context_->reply_json(std::exchange(unsent_, {}), report_.all_recorded() ? 202 : 207);
        } else {
            send();
            // It goes on from there when the sender has read.
            if (!unsent_.empty()) return;
        }
    }
    over_ = true;
    if (out_ != nullptr) out_->finish();
    out_.reset();
    let_go();
}

void BatchStream::let_go() {
    if (const auto pipe = context_->body_pipe()) pipe->detach();
    context_.reset();
    const auto last = std::move(self_);
}

}  // namespace tidegate::compliance::ingest
