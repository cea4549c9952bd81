#include "services/content/import_stream.h"

#include <fmt/format.h>

#include <utility>

#include "pipeline/problem.h"

namespace tidegate::content {

namespace {

constexpr int kTooSlow = 408;

}  // namespace

void count_import(ContentService& service, const ImportReport& report) {
    service.counts().stored.add(report.stored + report.updated);
    service.counts().unchanged.add(report.unchanged);
    service.counts().refused.add(report.failed);
}

ImportStream::ImportStream(ContentService& service, pipeline::ContextPtr context, bool lines,
                           std::shared_ptr<void> place)
    : service_(service),
      context_(std::move(context)),
      lines_(lines),
      place_(std::move(place)),
      loop_(context_->exchange()->loop()),
      mailbox_(loop_.mailbox()),
      request_id_(context_->request_id()),
      tenant_(actor_of(*context_).tenant),
      import_(service.library(), tenant_, service.settings().items_max) {}

void ImportStream::start() {
    const auto pipe = context_->body_pipe();
    if (pipe == nullptr) return context_->fail({ErrorCode::kInternal, "The body is not streamed."});
    self_ = shared_from_this();
    const auto held = self_;  // The pipe may tell at once that nothing will come.
    listen();
    pipe->attach(context_->exchange(), *this);
}

bool ImportStream::on_body(std::string_view bytes) {
    if (gone_) return true;
    const auto held = shared_from_this();  // A pool that refuses the block lets go of us.
    gathered_.append(bytes);
    go_on();
    if (gone_) return true;
    paused_ = gathered_.size() >= kBlockBytes;
    paused_ ? listen_no_more() : listen();
    return !paused_;
}

void ImportStream::on_body_end() {
    const auto held = shared_from_this();  // The pool may be done with the last block before we are.
    ended_ = true;
    listen_no_more();
    go_on();
}

void ImportStream::listen() {
    loop_.timers().schedule(*this, loop_.now() + service_.settings().import_silence_max);
}

void ImportStream::listen_no_more() {
    loop_.timers().cancel(*this);
}

void ImportStream::on_timer() {
    if (gone_ || ended_ || paused_) return;
    if (writing_) return listen();  // How far it came can be told when the block is in.
    if (const auto pipe = context_->body_pipe()) pipe->detach();
    on_body_failed(kTooSlow, "no byte of the body came for as long as content.import_silence_max_s allows");
}

/// Hands out the next block, when the last one is taken in and there is enough, or all.
void ImportStream::go_on() {
    if (gone_ || writing_ || (!ended_ && gathered_.size() < kBlockBytes)) return;
    writing_ = true;
    const bool last = ended_;
    auto task = [self = shared_from_this(), block = std::exchange(gathered_, {}), last] {
        self->take_block(block, last);
    };
    if (service_.blocking().submit(std::move(task))) return;
    writing_ = false;
    refuse({ErrorCode::kUnavailable, "The server has too much to do; ask again."});
}

void ImportStream::on_body_failed(int status, std::string_view detail) {
    constexpr int kLeft = 499;
    listen_no_more();
    const auto held = std::exchange(self_, nullptr);
    const auto context = std::exchange(context_, nullptr);
    if (std::exchange(gone_, true)) return;
    cut_ = detail;
    if (status != kLeft) {
        // A block that is being taken in may add a commit to what can be told now.
        const std::string known = writing_ ? "What came before is stored in whole commits; the log says how far."
                                           : stored_so_far(import_.report());
        const std::string told = fmt::format("{}. {}", detail, known);
        // The status as it is: 408 has no code of its own.
        context->send(
            pipeline::error_response(context->error_shape(), {.status = status,
                                                              .error = to_string(pipeline::code_of_status(status)),
                                                              .detail = told,
                                                              .request_id = request_id_,
                                                              .path = context->head().path,
                                                              .errors = nullptr}));
    }
    if (!writing_) tell_cut(cut_);
}

/// On the loop: answers now, and hears of the body no more.
void ImportStream::refuse(const Error& error) {
    if (std::exchange(gone_, true)) return;
    listen_no_more();
    const auto held = std::exchange(self_, nullptr);
    const auto context = std::exchange(context_, nullptr);
    gathered_ = {};
    if (const auto pipe = context->body_pipe()) pipe->detach();
    tell_cut(error.message);
    context->fail({error.code, fmt::format("{} {}", error.message, stored_so_far(import_.report()))});
}

void ImportStream::tell_cut(std::string_view reason) const {
    const ImportReport& report = import_.report();
    count_import(service_, report);
    service_.counts().cut.add();
    if (service_.log() == nullptr) return;
    service_.log()
        ->line(observe::Level::kInfo, "content_import_cut")
        .field("request_id", request_id_)
        .field("tenant", tenant_)
        .field("reason", reason)
        .field("stored", report.stored)
        .field("updated", report.updated)
        .field("unchanged", report.unchanged)
        .field("up_to_line", report.committed_line)
        .field("last_commit_uncertain", report.uncertain);
}

// On the pool.
Result<void> ImportStream::take(std::string_view block, bool last) {
    bytes_ += block.size();
    const std::uint64_t most = lines_ ? service_.settings().import_bytes_max : kWholeBytesMax;
    if (bytes_ > most) {
        return fail(ErrorCode::kTooLarge,
                    lines_ ? fmt::format("The body is longer than content.import_bytes_max allows: {} bytes.", most)
                           : "A JSON text may have 64 MiB; longer ones go as lines (application/x-ndjson).");
    }
    if (lines_) {
        TG_CHECK(import_.add(block));
    } else {
        whole_.append(block);
        if (last) TG_CHECK(import_.add_whole(whole_));
    }
    return last ? import_.finish() : Result<void>{};
}

void ImportStream::take_block(const std::string& block, bool last) {
    if (const auto taken = take(block, last); !taken) failure_ = taken.error();
    if (last && !failure_) {
        // The body is whole: the loop is done with us.
        const auto held = std::exchange(self_, nullptr);
        const auto context = std::exchange(context_, nullptr);
        count_import(service_, import_.report());
        return answer_import(context, import_.report(), lines_);
    }
    mailbox_->post([self = shared_from_this()] { self->block_done(); });
}

/// On the loop.
void ImportStream::block_done() {
    writing_ = false;
    if (gone_) return tell_cut(cut_);
    if (failure_) return refuse(*failure_);
    go_on();
    if (gone_ || !paused_ || gathered_.size() >= kBlockBytes) return;
    paused_ = false;
    listen();
    if (const auto pipe = context_->body_pipe()) pipe->resume();
}

}  // namespace tidegate::content
