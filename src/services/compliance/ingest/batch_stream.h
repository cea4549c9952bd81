// BatchStream: one POST /api/v1/decisions/batch: lines as they come, into the log, and what became of each back to the sender.
//
// Position    Between the request's body and Intake; made by the route.
// Guarantee   Outcomes stand in the order of the lines, and a line's outcome is sent when its record is durable. A sender that leaves
//             loses outcomes, never records: what was read whole is taken. A line cut off by that is not a line.
// Back-pressure  At most kDepth pieces of kPieceBytes or kPieceLines are being taken; the sender is read no further while that many are,
//             nor while it does not read its outcomes.
// Memory      kDepth + 1 pieces, or one line of line_bytes_max, with what was made of them: about 1 MiB.
// Threads     All on the loop of the exchange, but the reading of a piece, on a worker.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/exchange.h"
#include "pipeline/context.h"
#include "pipeline/identity/caller.h"
#include "runtime/event_loop.h"
#include "runtime/worker_pool.h"
#include "services/compliance/ingest/batch_report.h"
#include "services/compliance/ingest/intake.h"

namespace tidegate::compliance::ingest {

/// What all streams share; outlives them.
struct BatchParts {
    Intake& intake;
    runtime::WorkerPool& workers;
    const Clock& clock;
    audit::privacy::PrivacyPolicy* privacy = nullptr;
    std::uint64_t line_bytes_max = 0;
};

struct BatchOptions {
    bool each_line = true;
    bool stop_on_error = false;
};

class BatchStream final : public http::BodyReceiver, public std::enable_shared_from_this<BatchStream> {
  public:
    static constexpr std::size_t kPieceBytes = 128 * 1024;
    static constexpr std::size_t kPieceLines = 1024;
    static constexpr std::size_t kDepth = 2;

    /// `place` is given back when the stream is over.
    BatchStream(const BatchParts& parts, BatchOptions options, pipeline::ContextPtr context,
                std::shared_ptr<void> place);
    /// Begins the answer and reads.
    void start();

    bool on_body(std::string_view bytes) override;
    void on_body_end() override;
    void on_body_failed(int status, std::string_view detail) override;

  private:
    struct Line {
        std::uint64_t number = 0;
        std::optional<Faults> faults;  // None: the next of the outcomes is its.
    };
    struct Piece {
        std::string text;
        std::uint64_t first_line = 1;
        std::uint64_t lines = 0;
        bool overlong = false;  // In place of a text: one line too long to be held.
        std::vector<Line> looked_at;
        std::vector<Outcome> outcomes;
        bool done = false;
    };
    using PiecePtr = std::shared_ptr<Piece>;

    bool has_enough() const;
    void gather(std::string_view bytes);
    void cut_pieces();
    bool cut_piece();
    void hand_out(PiecePtr piece);
    void read_piece(const PiecePtr& piece);
    void piece_done(const PiecePtr& piece);
    void report();
    void report_piece(const Piece& piece);
    void send();
    void go_on();
    void end();
    void let_go();

    const BatchParts& parts_;
    const BatchOptions options_;
    pipeline::ContextPtr context_;
    const pipeline::CallerPtr caller_;  // The worker's; the context is the loop's.
    const std::shared_ptr<void> place_;
    const std::shared_ptr<runtime::Mailbox> mailbox_;
    std::shared_ptr<BatchStream> self_;  // While the body comes.
    std::shared_ptr<http::Stream> out_;  // Null for a summary.
    BatchReport report_;
    std::string gathered_;
    std::string unsent_;
    std::size_t sent_ = 0;  // Of unsent_.
    std::deque<PiecePtr> pieces_;
    std::uint64_t next_line_ = 1;
    bool skipping_ = false;  // The rest of an overlong line.
    bool paused_ = false;
    bool ended_ = false;    // The body has come whole.
    bool stopped_ = false;  // Nothing more is looked at.
    bool waits_ = false;    // For room.
    bool summed_up_ = false;
    bool begun_ = false;  // The answer has.
    bool over_ = false;
};

}  // namespace tidegate::compliance::ingest
