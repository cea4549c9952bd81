// ImportStream: one POST /api/contents whose body is read while it comes.
//
// Position    Between the request's body and Import; made by the route.
// Guarantee   Answered exactly once. Whatever ends it early, whole commits are stored and nothing else: the answer says how far, and where
//             nobody is left to hear it the log does.
// Back-pressure  One block of kBlockBytes is being taken in; the client is read no further while another waits.
// Memory      Two blocks beside the Import; JSON that is no lines, whole: kWholeBytesMax.
// Threads     The loop of the exchange; blocks are taken in on the pool for waiting, one at a time.
// When it fails  kTooLarge, kInvalidArgument (no JSON), kUnavailable (store, pool); a client that is slow, or silent for
//             content.import_silence_max_s, gets 408, broken chunks 400.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "pipeline/context.h"
#include "runtime/event_loop.h"
#include "runtime/timer_wheel.h"
#include "services/content/content.h"
#include "services/content/import.h"

namespace tidegate::content {

class ImportStream final : public http::BodyReceiver,
                           private runtime::Timer,
                           public std::enable_shared_from_this<ImportStream> {
  public:
    static constexpr std::size_t kBlockBytes = std::size_t{256} * 1024;
    static constexpr std::size_t kWholeBytesMax = std::size_t{64} * 1024 * 1024;

    /// `place` is given back when nothing of it is held any more.
    ImportStream(ContentService& service, pipeline::ContextPtr context, bool lines, std::shared_ptr<void> place);
    /// On the loop; once.
    void start();

    bool on_body(std::string_view bytes) override;
    void on_body_end() override;
    void on_body_failed(int status, std::string_view detail) override;

  private:
    void go_on();
    void take_block(const std::string& block, bool last);
    Result<void> take(std::string_view block, bool last);
    void block_done();
    void refuse(const Error& error);
    void tell_cut(std::string_view reason) const;
    /// On the loop: bytes are waited for from now on, or not.
    void listen();
    void listen_no_more();
    void on_timer() override;

    ContentService& service_;
    pipeline::ContextPtr context_;
    const bool lines_;
    const std::shared_ptr<void> place_;
    runtime::EventLoop& loop_;
    const std::shared_ptr<runtime::Mailbox> mailbox_;
    const std::string request_id_, tenant_;
    std::shared_ptr<ImportStream> self_;  // While the body comes.

    // The loop's.
    std::string gathered_;
    bool writing_ = false;
    bool paused_ = false;
    bool ended_ = false;
    std::string cut_;  // Why the rest of the body will not come.
    bool gone_ = false;

    // Of whoever takes a block in: handed over by the pool's and the mailbox's locks.
    Import import_;
    std::string whole_;
    std::uint64_t bytes_ = 0;
    std::optional<Error> failure_;
};

/// The report of an import that came to its end.
void answer_import(const pipeline::ContextPtr& context, const ImportReport& report, bool lines);
/// What an import has done so far, into the counters.
void count_import(ContentService& service, const ImportReport& report);

}  // namespace tidegate::content
